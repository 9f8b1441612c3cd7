//! Packs a root folder into one layer, as registries store it: a tar, compressed by gzip. The same root is the same layer, byte for
//! byte.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fgetxattr, flistxattr, openat, openat2,
    readlinkat, statat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use crate::Refused;
use crate::archive::{ENTRIES_MAX, EXTENDED_BYTES_MAX, EXTENDED_PREFIX, wanted};

/// Block of a tar, in bytes.
const BLOCK: u64 = 512;
/// Longest name in a header; a longer one stands before it.
const HEADER_NAME_BYTES_MAX: usize = 100;
/// Bytes written at once.
const CHUNK: usize = 256 << 10;
/// What a layer says about those below it: a file of such a name would not come back.
const WHITEOUT: &[u8] = b".wh.";
/// Links on the way would lead out of the root; the root of an image is what was unpacked, and nothing is mounted in it.
const BELOW: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_XDEV);

/// A layer that was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// SHA-256 of the tar, as lower-case hexadecimal digits: how a configuration names the layer.
    pub diff_id: String,
    /// SHA-256 of what was written: how a manifest names it.
    pub digest: String,
    /// Bytes of what was written.
    pub bytes: u64,
    /// Files, folders, links.
    pub entries: u64,
}

/// Writes the root, a folder that nobody changes meanwhile, into the file, from its start; what is in it goes. `max_bytes` is what
/// the file may take, in bytes.
///
/// # Errors
/// When the layer is larger, or something cannot be read or written.
pub fn pack(root: &OwnedFd, output: File, max_bytes: u64) -> Result<Packed, Refused> {
    let failed = |error| Refused::File { path: "the layer".to_owned(), error };
    let mut output = output;
    output.set_len(0).and_then(|()| output.seek(SeekFrom::Start(0))).map_err(failed)?;
    // Files of an image are many and mostly programs: the fastest level is within a tenth of the usual one, in a third of the time.
    let packed = Hashed::new(BufWriter::with_capacity(CHUNK, output), max_bytes);
    let plain = Hashed::new(GzEncoder::new(packed, Compression::fast()), u64::MAX);
    let mut packer = Packer { root, output: plain, links: HashMap::new(), entries: 0 };
    let done = packer.all();
    if packer.output.inner.get_ref().exceeded {
        return Err(Refused::LayerTooLarge(max_bytes));
    }
    done?;
    let Packer { output: plain, entries, .. } = packer;
    let (encoder, diff_id) = (plain.inner, hexadecimal(plain.hash));
    let mut packed = match encoder.finish() {
        Ok(packed) => packed,
        Err(error) => return Err(failed(error)),
    };
    match packed.flush() {
        Err(_) if packed.exceeded => return Err(Refused::LayerTooLarge(max_bytes)),
        other => other.map_err(failed)?,
    }
    Ok(Packed { diff_id, digest: hexadecimal(packed.hash), bytes: packed.bytes, entries })
}

fn hexadecimal(hash: Sha256) -> String {
    atoll_oci::hexadecimal(&hash.finalize())
}

/// Counts and hashes what is written through it, and ends with an error where there is too much.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
    bytes_max: u64,
    exceeded: bool,
}

impl<W: Write> Hashed<W> {
    fn new(inner: W, bytes_max: u64) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0, bytes_max, exceeded: false }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.bytes.saturating_add(buffer.len() as u64) > self.bytes_max {
            self.exceeded = true;
            return Err(io::Error::other("more than is allowed"));
        }
        let written = self.inner.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

type Layer = Hashed<GzEncoder<Hashed<BufWriter<File>>>>;

struct Packer<'a> {
    root: &'a OwnedFd,
    output: Layer,
    /// Files with several names, by their number: the first name.
    links: HashMap<u64, Vec<u8>>,
    entries: u64,
}

impl Packer<'_> {
    fn all(&mut self) -> Result<(), Refused> {
        let stat = statat(self.root, ".", AtFlags::SYMLINK_NOFOLLOW).map_err(failed(Path::new("")))?;
        self.head(EntryType::Directory, b"./", b"", &stat, 0, Vec::new()).map_err(wrote(Path::new("")))?;
        // Deepest first would need a descriptor for each folder on the way; this needs one in all.
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let mut below = self.folder(&folder)?;
            below.reverse();
            folders.append(&mut below);
        }
        self.output.write_all(&[0; 2 * 512]).map_err(wrote(Path::new("")))
    }

    /// Writes what is in a folder, and gives back the folders in it, by name.
    fn folder(&mut self, path: &Path) -> Result<Vec<PathBuf>, Refused> {
        let shown = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat2(self.root, shown, flags, Mode::empty(), BELOW).map_err(failed(path))?;
        let mut below = Vec::new();
        for name in names(&folder).map_err(failed(path))? {
            let path = path.join(OsStr::from_bytes(&name));
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(Refused::TooMany);
            }
            if self.entry(&folder, &name, &path)? {
                below.push(path);
            }
        }
        Ok(below)
    }

    /// Whether it is a folder.
    fn entry(&mut self, folder: &OwnedFd, name: &[u8], path: &Path) -> Result<bool, Refused> {
        let mut stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed(path))?;
        let full = path.as_os_str().as_bytes();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let full = [full, b"/"].concat();
                self.head(EntryType::Directory, &full, b"", &stat, 0, Vec::new()).map_err(wrote(path))?;
                return Ok(true);
            }
            FileType::RegularFile => self.file(folder, name, path, &stat)?,
            FileType::Symlink => {
                let to = readlinkat(folder, name, Vec::new()).map_err(failed(path))?;
                // An import leaves it to the clock.
                stat.st_mtime = 0;
                self.head(EntryType::Symlink, full, to.as_bytes(), &stat, 0, Vec::new())
                    .map_err(wrote(path))?;
            }
            FileType::Fifo => {
                stat.st_mtime = 0;
                self.head(EntryType::Fifo, full, b"", &stat, 0, Vec::new()).map_err(wrote(path))?;
            }
            // Devices and sockets: an image has none.
            _ => {}
        }
        Ok(false)
    }

    fn file(&mut self, folder: &OwnedFd, name: &[u8], path: &Path, stat: &Stat) -> Result<(), Refused> {
        let full = path.as_os_str().as_bytes();
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&stat.st_ino) {
                let first = first.clone();
                return self.head(EntryType::Link, full, &first, stat, 0, Vec::new()).map_err(wrote(path));
            }
            self.links.insert(stat.st_ino, full.to_vec());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(folder, name, flags, Mode::empty()).map_err(failed(path))?;
        let extended = extended(&file).map_err(failed(path))?;
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        self.head(EntryType::Regular, full, b"", stat, bytes, extended).map_err(wrote(path))?;
        let copied = io::copy(&mut File::from(file).take(bytes), &mut self.output).map_err(wrote(path))?;
        if copied != bytes {
            return Err(wrote(path)(io::Error::other("it has become shorter")));
        }
        self.pad(bytes).map_err(wrote(path))
    }

    /// Fills the last block.
    fn pad(&mut self, bytes: u64) -> io::Result<()> {
        let padding = usize::try_from(bytes.next_multiple_of(BLOCK) - bytes).unwrap_or(0);
        self.output.write_all(&[0; 512][..padding])
    }

    /// The header of an entry, and before it what a header has no room for.
    fn head(
        &mut self,
        kind: EntryType,
        name: &[u8],
        link: &[u8],
        stat: &Stat,
        bytes: u64,
        mut records: Vec<(String, Vec<u8>)>,
    ) -> io::Result<()> {
        let mut header = Header::new_ustar();
        for (key, text, place) in [("path", name, 0..100), ("linkpath", link, 157..257)] {
            if text.len() > HEADER_NAME_BYTES_MAX {
                records.push((key.to_owned(), text.to_vec()));
            }
            let short = &text[..text.len().min(HEADER_NAME_BYTES_MAX)];
            header.as_mut_bytes()[place.start..place.start + short.len()].copy_from_slice(short);
        }
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        header.set_uid(u64::from(stat.st_uid));
        header.set_gid(u64::from(stat.st_gid));
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
        header.set_size(bytes);
        header.set_cksum();
        if !records.is_empty() {
            self.records(&records)?;
        }
        self.output.write_all(header.as_bytes())
    }

    fn records(&mut self, records: &[(String, Vec<u8>)]) -> io::Result<()> {
        let mut text = Vec::new();
        for (key, value) in records {
            text.extend_from_slice(&record(key, value));
        }
        let bytes = text.len() as u64;
        let mut header = Header::new_ustar();
        header.set_path("PaxHeaders/0")?;
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes);
        header.set_cksum();
        self.output.write_all(header.as_bytes())?;
        self.output.write_all(&text)?;
        self.pad(bytes)
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length.to_string().len() + rest != length {
        length = length.to_string().len() + rest;
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// Names in a folder, in order, but those that would hide something.
fn names(folder: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." && !name.starts_with(WHITEOUT) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The extended attributes of a file that an import keeps, by name.
fn extended(file: &OwnedFd) -> Result<Vec<(String, Vec<u8>)>, Errno> {
    let mut list = vec![0_u8; EXTENDED_BYTES_MAX];
    let length = match flistxattr(file.as_fd(), &mut list[..]) {
        Ok(length) => length,
        // More than any file of an image has, or none at all here.
        Err(Errno::RANGE | Errno::TOOBIG | Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(errno) => return Err(errno),
    };
    let all = list[..length].split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    let mut names: Vec<&str> = all.filter(|name| wanted(name)).collect();
    names.sort_unstable();
    let mut found = Vec::new();
    let mut left = EXTENDED_BYTES_MAX;
    for name in names {
        let mut value = vec![0_u8; EXTENDED_BYTES_MAX];
        let length = fgetxattr(file.as_fd(), name, &mut value[..])?;
        value.truncate(length);
        // As the reader counts them.
        let Some(rest) = left.checked_sub(name.len() + length) else { break };
        left = rest;
        found.push((format!("{EXTENDED_PREFIX}{name}"), value));
    }
    Ok(found)
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().filter(|c| !c.is_control()).take(200).collect()
}

fn failed(path: &Path) -> impl FnOnce(Errno) -> Refused {
    move |errno| Refused::File { path: shown(path), error: errno.into() }
}

fn wrote(path: &Path) -> impl FnOnce(io::Error) -> Refused {
    move |error| Refused::File { path: shown(path), error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use rustix::fs::{XattrFlags, setxattr};

    use super::*;
    use crate::unpack;

    fn opened(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    fn packed(path: &Path, max_bytes: u64) -> Result<(Packed, Vec<u8>), Refused> {
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(&[7; 100_000]).unwrap();
        let done = pack(&opened(path), file.try_clone().unwrap(), max_bytes)?;
        let mut bytes = Vec::new();
        let mut file = file;
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        Ok((done, bytes))
    }

    fn filled() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let deep = format!("usr/{0}/{0}", "long".repeat(40));
        std::fs::create_dir_all(at(&deep)).unwrap();
        std::fs::write(at(&format!("{deep}/file")), "deep").unwrap();
        std::fs::write(at("usr/tool"), "#!").unwrap();
        std::os::unix::fs::chown(at("usr/tool"), Some(33), Some(65_534)).unwrap();
        std::fs::set_permissions(at("usr/tool"), std::fs::Permissions::from_mode(0o4751)).unwrap();
        std::fs::hard_link(at("usr/tool"), at("usr/again")).unwrap();
        symlink(format!("/{}", "far".repeat(60)), at("link")).unwrap();
        std::fs::write(at(".wh.kept"), "").unwrap();
        // Version 2: cap_net_raw, as a file system stores it.
        let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        setxattr(at("usr/tool"), "security.capability", &capability, XattrFlags::empty()).unwrap();
        dir
    }

    #[test]
    fn what_is_packed_comes_back() {
        let dir = filled();
        let (done, bytes) = packed(dir.path(), 1 << 20).unwrap();
        assert_eq!((done.bytes, done.digest), (bytes.len() as u64, atoll_oci::digest_of(&bytes)));
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut plain).unwrap();
        assert_eq!(done.diff_id, atoll_oci::digest_of(&plain));

        let again = tempfile::tempdir().unwrap();
        let mut archive = tempfile::tempfile().unwrap();
        archive.write_all(&bytes).unwrap();
        unpack(&archive, &opened(again.path()), 1 << 20).unwrap();
        let at = |name: &str| again.path().join(name);
        let tool = std::fs::metadata(at("usr/tool")).unwrap();
        assert_eq!((tool.mode() & 0o7777, tool.uid(), tool.gid(), tool.nlink()), (0o4751, 33, 65_534, 2));
        let mut value = [0_u8; 64];
        let length = rustix::fs::getxattr(at("usr/tool"), "security.capability", &mut value[..]).unwrap();
        assert_eq!((length, value[5]), (20, 32));
        assert_eq!(std::fs::read_link(at("link")).unwrap().as_os_str().len(), 181);
        let deep = format!("usr/{0}/{0}/file", "long".repeat(40));
        assert_eq!(std::fs::read(at(&deep)).unwrap(), b"deep");
        assert!(!at(".wh.kept").exists());
    }

    #[test]
    fn the_same_root_is_the_same_layer_also_after_it_was_unpacked() {
        let dir = filled();
        let (first, bytes) = packed(dir.path(), 1 << 20).unwrap();
        assert_eq!(packed(dir.path(), 1 << 20).unwrap().0, first);
        let again = tempfile::tempdir().unwrap();
        let mut archive = tempfile::tempfile().unwrap();
        archive.write_all(&bytes).unwrap();
        unpack(&archive, &opened(again.path()), 1 << 20).unwrap();
        assert_eq!(packed(again.path(), 1 << 20).unwrap().0, Packed { entries: first.entries, ..first });
    }

    #[test]
    fn a_layer_has_its_bound() {
        let dir = filled();
        let error = packed(dir.path(), 100).unwrap_err();
        assert_eq!(
            (error.outcome(), error.to_string().contains("100 bytes")),
            ("too_large", true),
            "{error}"
        );
    }

    #[test]
    fn a_record_counts_itself() {
        for length in [1, 80, 87, 88, 89, 90, 91, 980, 985, 990, 995] {
            let one = record("path", &vec![b'x'; length]);
            let text = String::from_utf8(one.clone()).unwrap();
            assert_eq!(text.split(' ').next().unwrap().parse(), Ok(one.len()), "{length}");
        }
    }
}
