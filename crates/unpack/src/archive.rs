//! Reads the archive, entry by entry, within bounds.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use atoll_types::ImageConfig;
use rustix::fs::{Mode, OFlags, openat};
use tar::{Archive, Entry, EntryType};

use crate::layout::{Found, LayerPlace};
use crate::names::{self, BadName, Name, Whiteout};
use crate::root::{Attributes, Root};
use crate::source::{Measured, Packing, Section};
use crate::{Refused, config, layout};

/// Most files of an image, of all its layers: ten times the largest distribution's.
pub(crate) const ENTRIES_MAX: u64 = 2_000_000;

/// What a file counts beside its bytes: its name and attributes take room too.
const ENTRY_BYTES: u64 = 512;

/// What an archive may have beside the bytes that are counted: long names, padding, its end.
const OVERHEAD_BYTES: u64 = 64 << 20;

/// Ids of a sandbox; owners beyond are nobody.
const IDS: u64 = 65_536;
const NOBODY: u32 = 65_534;

/// Extended attributes of one file, in bytes, and where they stand.
pub(crate) const EXTENDED_BYTES_MAX: usize = 64 << 10;
pub(crate) const EXTENDED_PREFIX: &str = "SCHILY.xattr.";

/// What came of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of its files.
    pub bytes: u64,
    /// Files, folders, links.
    pub entries: u64,
    /// Device nodes and the like, left out.
    pub skipped: u64,
    /// What the image says of itself; nothing where the archive was that of a root file system.
    pub config: Option<ImageConfig>,
}

/// Fills the root, a folder, with the archive, a regular file: the tar of a root file system, of an OCI image layout or of
/// `docker save`, plain or compressed by gzip or zstd. `max_bytes` is what the files may take, in bytes.
///
/// # Errors
/// When the archive is malformed, hostile, for another processor, or beyond a bound, or a file cannot be made. Files made
/// before that stay.
pub fn unpack(input: &File, root: &OwnedFd, max_bytes: u64) -> Result<Unpacked, Refused> {
    let whole = Section::whole(input).map_err(Refused::Unreadable)?;
    let mut filler = Filler::new(root, max_bytes);
    match Packing::of(&whole).map_err(Refused::Unreadable)? {
        Packing::Plain => filler.fill(input)?,
        Packing::Other => return Err(Refused::Compressed),
        packing => filler.fill(&written_out(packing, &whole, root, max_bytes)?)?,
    }
    filler.root.finish();
    if filler.done.entries == 0 && filler.done.config.is_none() {
        return Err(Refused::Empty);
    }
    Ok(filler.done)
}

/// Bytes that an archive of files of so many may have.
fn archive_bytes(max_bytes: u64) -> u64 {
    max_bytes.saturating_mul(2).saturating_add(OVERHEAD_BYTES)
}

/// A compressed archive, written out into a file without a name in the root: an archive of layers is read here and there.
pub(crate) fn written_out(
    packing: Packing,
    packed: &Section<'_>,
    root: &OwnedFd,
    max_bytes: u64,
) -> Result<File, Refused> {
    let failed = |error| Refused::File { path: "the decompressed archive".to_owned(), error };
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = openat(root, ".", flags, Mode::from_raw_mode(0o600));
    let mut file = File::from(file.map_err(|errno| failed(errno.into()))?);
    let opened = packing.open(packed.clone()).map_err(Refused::Malformed)?;
    let mut plain = Measured::new(opened, archive_bytes(max_bytes), false);
    match crate::root::copy(&mut plain, &mut file) {
        Ok(_) => Ok(file),
        Err(_) if plain.exceeded => Err(Refused::TooLarge(max_bytes)),
        Err(error) if error.raw_os_error().is_some() => Err(failed(error)),
        Err(error) => Err(Refused::Malformed(error)),
    }
}

/// Fills a root, and counts.
#[derive(Debug)]
pub(crate) struct Filler<'a> {
    pub(crate) root: Root<'a>,
    pub(crate) done: Unpacked,
    /// Bytes that count, see [`ENTRY_BYTES`].
    pub(crate) counted: u64,
    max_bytes: u64,
}

impl<'a> Filler<'a> {
    pub(crate) fn new(root: &'a OwnedFd, max_bytes: u64) -> Self {
        Self { root: Root::new(root.as_fd()), done: Unpacked::default(), counted: 0, max_bytes }
    }

    fn fill(&mut self, file: &File) -> Result<(), Refused> {
        match layout::find(file)? {
            Some(found) => self.image(file, &found),
            None => {
                let section = Section::whole(file).map_err(Refused::Unreadable)?;
                let plain = Packing::Plain.open(section).map_err(Refused::Unreadable)?;
                self.entries(plain, false)
            }
        }
    }

    fn image(&mut self, file: &File, found: &Found) -> Result<(), Refused> {
        let (config, diff_ids) = config::read(found)?;
        for (number, (layer, diff_id)) in (1..).zip(found.layers.iter().zip(&diff_ids)) {
            self.root.begin_layer();
            let done = self.layer(file, layer, diff_id);
            done.map_err(|why| Refused::Layer { number, why: Box::new(why) })?;
        }
        self.done.config = Some(config);
        Ok(())
    }

    /// One layer, over those before. What it is not is found out when it is read; then all is thrown away.
    fn layer(&mut self, file: &File, layer: &LayerPlace, diff_id: &str) -> Result<(), Refused> {
        let place = layer.present()?;
        let section = Section::new(file, place.start, place.length);
        let packing = Packing::of(&section).map_err(Refused::Unreadable)?;
        let mut packed =
            Measured::new(section, u64::MAX, packing != Packing::Plain && layer.digest.is_some());
        let unpacked = self.layer_entries(&mut packed, packing, true);
        // Where it cannot be read, that it is not what it should be says more.
        let digest = packed.finish().map_err(Refused::Unreadable)?;
        if let (Some(wanted), Some(found)) = (&layer.digest, digest) {
            same("the layer", found, wanted)?;
        }
        let found = unpacked?;
        if let (Some(wanted), Packing::Plain) = (&layer.digest, packing) {
            same("the layer", found.clone(), wanted)?;
        }
        same("the unpacked layer", found, diff_id)
    }

    /// The digest of the layer, unpacked, where it is wanted.
    pub(crate) fn layer_entries(
        &mut self,
        packed: impl Read,
        packing: Packing,
        hashed: bool,
    ) -> Result<String, Refused> {
        if packing == Packing::Other {
            return Err(Refused::Compressed);
        }
        let opened = packing.open(packed).map_err(Refused::Malformed)?;
        let mut plain = Measured::new(opened, archive_bytes(self.max_bytes), hashed);
        let done = self.entries(&mut plain, true);
        let exceeded = plain.exceeded;
        let digest = done.and_then(|()| plain.finish().map_err(Refused::Malformed));
        if exceeded || plain.exceeded {
            return Err(Refused::TooLarge(self.max_bytes));
        }
        Ok(digest?.unwrap_or_default())
    }

    fn entries(&mut self, reader: impl Read, layered: bool) -> Result<(), Refused> {
        let mut archive = Archive::new(reader);
        for entry in archive.entries().map_err(Refused::Malformed)? {
            let mut entry = entry.map_err(Refused::Malformed)?;
            self.done.entries += 1;
            self.counted = self.counted.saturating_add(ENTRY_BYTES).saturating_add(entry.size());
            if self.done.entries > ENTRIES_MAX {
                return Err(Refused::TooMany);
            }
            if self.counted > self.max_bytes {
                return Err(Refused::TooLarge(self.max_bytes));
            }
            self.entry(&mut entry, layered)?;
        }
        Ok(())
    }

    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>, layered: bool) -> Result<(), Refused> {
        let (root, done) = (&mut self.root, &mut self.done);
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let path = entry.path_bytes().into_owned();
        let name = names::parse(&path)?;
        let failed = |error: std::io::Error| Refused::File { path: shown(&path), error };
        if name.last.is_empty() && kind != EntryType::Directory {
            return Err(Refused::Name(BadName::Impossible));
        }
        if layered && let Some(whiteout) = names::whiteout(&name)? {
            let hidden = match whiteout {
                Whiteout::Own => Ok(()),
                Whiteout::Everything => root.hide_all(&name.parent),
                Whiteout::One(last) => root.hide(&name.parent, last),
            };
            return hidden.map_err(|errno| failed(errno.into()));
        }
        let attributes = attributes(entry).map_err(Refused::Malformed)?;
        match kind {
            EntryType::Directory => root.folder(&name, attributes).map_err(|errno| failed(errno.into())),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let extended = extended(entry).map_err(Refused::Malformed)?;
                done.bytes += root.file(&name, attributes, &extended, entry).map_err(failed)?;
                Ok(())
            }
            EntryType::Symlink => {
                let to = link(entry)?;
                root.symlink(&name, &to, attributes).map_err(|errno| failed(errno.into()))
            }
            EntryType::Link => {
                let to: Name = names::parse(&link(entry)?)?;
                root.hard_link(&name, &to).map_err(|errno| failed(errno.into()))
            }
            EntryType::Fifo => root.pipe(&name, attributes).map_err(|errno| failed(errno.into())),
            _ => {
                done.skipped += 1;
                Ok(())
            }
        }
    }
}

pub(crate) fn same(what: &str, found: String, wanted: &str) -> Result<(), Refused> {
    if found == wanted {
        return Ok(());
    }
    Err(Refused::Digest { what: what.to_owned(), found, wanted: wanted.to_owned() })
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().filter(|c| !c.is_control()).take(200).collect()
}

fn link<R: Read>(entry: &Entry<'_, R>) -> Result<Vec<u8>, Refused> {
    match entry.link_name_bytes() {
        Some(to) if (1..=4_095).contains(&to.len()) && !to.contains(&0) => Ok(to.into_owned()),
        Some(_) | None => Err(Refused::Name(BadName::Impossible)),
    }
}

fn attributes<R: Read>(entry: &Entry<'_, R>) -> std::io::Result<Attributes> {
    let header = entry.header();
    let id = |id: u64| if id < IDS { u32::try_from(id).unwrap_or(NOBODY) } else { NOBODY };
    Ok(Attributes {
        uid: id(header.uid()?),
        gid: id(header.gid()?),
        mode: header.mode()?,
        modified: i64::try_from(header.mtime()?).unwrap_or(0),
    })
}

/// The extended attributes that mean something in a sandbox: capabilities of files, and users' own.
fn extended<R: Read>(entry: &mut Entry<'_, R>) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut bytes = 0;
    for extension in extensions {
        let extension = extension?;
        let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix(EXTENDED_PREFIX)) else {
            continue;
        };
        bytes += name.len() + extension.value_bytes().len();
        if wanted(name) && bytes <= EXTENDED_BYTES_MAX && !name.contains('\0') {
            found.push((name.to_owned(), extension.value_bytes().to_vec()));
        }
    }
    Ok(found)
}

/// Whether it means something in a sandbox.
pub(crate) fn wanted(name: &str) -> bool {
    name == "security.capability" || name.starts_with("user.")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::process::Command;

    use tar::{Builder, Header};

    use super::*;

    fn entry(builder: &mut Builder<Vec<u8>>, kind: EntryType, path: &str, link: &str, content: &[u8]) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o4711 });
        header.set_uid(33);
        header.set_gid(70_000);
        header.set_mtime(1_000_000_000);
        // As a hostile archive would: without the library's own checks.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }

    fn unpack_into(dir: &Path, builder: Builder<Vec<u8>>, max_bytes: u64) -> Result<Unpacked, Refused> {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &builder.into_inner().unwrap()).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let root = rustix::fs::open(dir, OFlags::DIRECTORY, Mode::empty()).unwrap();
        unpack(&file, &root, max_bytes)
    }

    #[test]
    fn files_links_and_modes_arrive() {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = Builder::new(Vec::new());
        entry(&mut builder, EntryType::Directory, "./", "", b"");
        entry(&mut builder, EntryType::Regular, "./usr/bin/tool", "", b"#!");
        entry(&mut builder, EntryType::Symlink, "./bin", "usr/bin", b"");
        entry(&mut builder, EntryType::Regular, "./bin/other", "", b"12345");
        entry(&mut builder, EntryType::Link, "./usr/tool2", "./usr/bin/tool", b"");
        entry(&mut builder, EntryType::Char, "./dev/null", "", b"");
        let done = unpack_into(dir.path(), builder, 1 << 20).unwrap();
        assert_eq!(done, Unpacked { bytes: 7, entries: 6, skipped: 1, config: None });
        let tool = std::fs::metadata(dir.path().join("usr/bin/tool")).unwrap();
        assert_eq!(
            (tool.permissions().mode() & 0o7777, tool.uid(), tool.gid(), tool.nlink()),
            (0o4711, 33, 65_534, 2)
        );
        assert_eq!(std::fs::read(dir.path().join("usr/bin/other")).unwrap(), b"12345");
    }

    #[test]
    fn times_of_folders_are_the_archives_also_after_what_was_put_into_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = Builder::new(Vec::new());
        entry(&mut builder, EntryType::Directory, "./", "", b"");
        entry(&mut builder, EntryType::Directory, "./usr/", "", b"");
        entry(&mut builder, EntryType::Directory, "./usr/bin/", "", b"");
        entry(&mut builder, EntryType::Directory, "./gone/", "", b"");
        entry(&mut builder, EntryType::Regular, "./usr/bin/tool", "", b"#!");
        entry(&mut builder, EntryType::Symlink, "./gone", "/usr", b"");
        unpack_into(dir.path(), builder, 1 << 20).unwrap();
        for path in ["", "usr", "usr/bin", "usr/bin/tool"] {
            let found = std::fs::symlink_metadata(dir.path().join(path)).unwrap();
            assert_eq!(found.mtime(), 1_000_000_000, "{path:?}");
        }
    }

    #[test]
    fn nothing_is_written_outside_the_root() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("file"), "untouched").unwrap();
        let out = outside.path().to_str().unwrap();

        // A link to the outside, then a file through it: made inside the root, where the link leads.
        let dir = tempfile::tempdir().unwrap();
        let mut builder = Builder::new(Vec::new());
        entry(&mut builder, EntryType::Symlink, "etc", out, b"");
        entry(&mut builder, EntryType::Regular, "etc/file", "", b"evil");
        let _either = unpack_into(dir.path(), builder, 1 << 20);

        // A link to a file outside, then a file of that name: the link is replaced.
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path().join("file"), dir.path().join("name")).unwrap();
        let mut builder = Builder::new(Vec::new());
        entry(&mut builder, EntryType::Regular, "name", "", b"evil");
        unpack_into(dir.path(), builder, 1 << 20).unwrap();

        // A hard link to the outside.
        let dir = tempfile::tempdir().unwrap();
        let mut builder = Builder::new(Vec::new());
        entry(&mut builder, EntryType::Link, "name", &format!("{out}/file"), b"");
        assert!(unpack_into(dir.path(), builder, 1 << 20).is_err());

        // A path that climbs.
        let mut builder = Builder::new(Vec::new());
        entry(&mut builder, EntryType::Regular, "../file", "", b"evil");
        assert!(matches!(unpack_into(dir.path(), builder, 1 << 20), Err(Refused::Name(BadName::Climbs))));
        assert_eq!(std::fs::read_to_string(outside.path().join("file")).unwrap(), "untouched");
    }

    #[test]
    fn bounds_hold() {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = Builder::new(Vec::new());
        entry(&mut builder, EntryType::Regular, "large", "", &[0; 4_096]);
        assert!(matches!(unpack_into(dir.path(), builder, 4_096), Err(Refused::TooLarge(4_096))));
        assert!(matches!(unpack_into(dir.path(), Builder::new(Vec::new()), 4_096), Err(Refused::Empty)));
    }

    #[test]
    fn what_is_no_tar_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = rustix::fs::open(dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
        let file = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, bytes).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            file
        };
        assert!(matches!(unpack(&file(b"BZh91AY"), &root, 1 << 20), Err(Refused::Compressed)));
        assert!(matches!(unpack(&file(&[0x1F, 0x8B, 8, 0]), &root, 1 << 20), Err(Refused::Malformed(_))));
        assert!(matches!(
            unpack(&file(&[0x28, 0xB5, 0x2F, 0xFD]), &root, 1 << 20),
            Err(Refused::Malformed(_))
        ));
        assert!(matches!(unpack(&file(&[7; 2_048]), &root, 1 << 20), Err(Refused::Malformed(_))));
    }

    /// A file system with room for a mebibyte.
    struct Small(tempfile::TempDir);

    impl Small {
        fn mounted() -> Self {
            let small = Self(tempfile::tempdir().unwrap());
            let mount = ["-t", "tmpfs", "-o", "size=1m", "none"];
            assert!(Command::new("mount").args(mount).arg(small.0.path()).status().unwrap().success());
            small
        }
    }

    impl Drop for Small {
        fn drop(&mut self) {
            drop(Command::new("umount").arg(self.0.path()).status());
        }
    }

    #[test]
    fn a_disk_without_room_is_told_from_a_broken_archive() {
        let small = Small::mounted();
        let mut builder = Builder::new(Vec::new());
        entry(&mut builder, EntryType::Regular, "./usr", "", &[7; 2 << 20]);
        let refused = unpack_into(small.0.path(), builder, 1 << 30).unwrap_err();
        assert_eq!(refused.outcome(), "full", "{refused}");
        let in_layer = Refused::Layer { number: 1, why: Box::new(refused) };
        assert_eq!(in_layer.outcome(), "full");
        assert_eq!(Refused::TooLarge(5).outcome(), "too_large");
        assert_eq!(Refused::Empty.outcome(), "refused");
    }
}
