//! A tar into a directory.
//!
//! The archive may be hostile to whoever unpacks it: nothing is made outside the directory, neither by `..` nor through a
//! link, be it of the archive or there before; the kernel resolves beneath it (`RESOLVE_BENEATH`). Each file appears whole;
//! the archive as a whole does not: what came before an error stays. Files belong to the user who unpacks.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use atoll_agent_protocol::v1::{FileErrorKind as Kind, FileReply};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawMode, ResolveFlags, Timespec, Timestamps, fchmod, futimens, linkat,
    mkdirat, mknodat, openat2, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use super::failure::Stop;
use super::place::{self, Place};
use super::temporary::Temporary;
use super::wire::{DataReader, Wire};

/// Longest path in an archive, in bytes, its deepest, and its longest name.
const PATH_BYTES_MAX: usize = 4_095;
const DEPTH_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 255;
/// Bytes of names of directories whose rights and times are set at the end; those of more are as they were made.
const DIRECTORY_NAMES_BYTES_MAX: usize = 4 << 20;
/// Rights that an entry can give: an archive makes no set-uid files.
const MODE_BITS: u32 = 0o1777;
/// Longest part of a name in a message, in characters.
const SHOWN_CHARS_MAX: usize = 200;
/// What compressed archives begin with.
const COMPRESSED: [&[u8]; 4] =
    [&[0x1F, 0x8B], &[0x28, 0xB5, 0x2F, 0xFD], b"BZh", &[0xFD, b'7', b'z', b'X', b'Z']];
/// Bytes in which these marks are.
const MARK_BYTES: u64 = 6;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

pub(super) fn unpack(wire: &mut Wire, path: &[u8]) -> Result<(), Stop> {
    let mut target = Target { top: place::make(path)?, last: None, directories: Vec::new(), bytes: 0 };
    let mut reply = FileReply::default();
    let mut reader = DataReader::new(wire);
    let mut mark = Vec::new();
    (&mut reader).take(MARK_BYTES).read_to_end(&mut mark).map_err(reading)?;
    if COMPRESSED.iter().any(|magic| mark.starts_with(magic)) {
        return Err(bad("it is compressed: send a plain tar"));
    }
    let mut all = io::Cursor::new(mark).chain(&mut reader);
    let mut archive = Archive::new(&mut all);
    for entry in archive.entries().map_err(reading)? {
        let mut entry = entry.map_err(reading)?;
        reply.bytes = reply.bytes.saturating_add(target.take(&mut entry)?);
        reply.files = reply.files.saturating_add(1);
    }
    target.finish();
    // What follows the end of the archive means nothing, but without its own end the request was cut off.
    io::copy(&mut all, &mut io::sink()).map_err(reading)?;
    wire.reply(&reply)
}

fn bad(message: impl Into<String>) -> Stop {
    Stop::new(Kind::BadArchive, message)
}

fn reading(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::Gone,
        _ => bad(format!("it is no valid tar: {error}")),
    }
}

/// Names the entry in what went wrong with it.
fn at(path: &[u8], stop: Stop) -> Stop {
    match stop {
        Stop::Failed(failure) => Stop::new(failure.kind, format!("{}: {}", shown(path), failure.message)),
        Stop::Gone => Stop::Gone,
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

/// A path beneath the directory: the directories on the way, and the last part; that is empty for the directory itself.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    parent: Vec<u8>,
    last: Vec<u8>,
}

fn parse(path: &[u8]) -> Result<Name, Stop> {
    let mut parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        return Err(bad(format!("{}: a path may not climb with '..'", shown(path))));
    }
    let possible = path.len() <= PATH_BYTES_MAX
        && parts.len() <= DEPTH_MAX
        && parts.iter().all(|part| part.len() <= NAME_BYTES_MAX && !part.contains(&0));
    if !possible {
        return Err(bad(format!("{}: the path is too long, too deep or impossible", shown(path))));
    }
    let last = parts.pop().unwrap_or_default().to_vec();
    Ok(Name { parent: parts.join(&b'/'), last })
}

struct Target {
    top: OwnedFd,
    /// The directory of the last file: the next is mostly in it too.
    last: Option<(Vec<u8>, OwnedFd)>,
    /// Rights and times of directories, by path.
    directories: Vec<(Vec<u8>, u32, i64)>,
    bytes: usize,
}

impl Target {
    /// Takes in one entry; answers the bytes of its file.
    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<u64, Stop> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(0);
        }
        let path = entry.path_bytes().into_owned();
        let name = parse(&path)?;
        if name.last.is_empty() && kind != EntryType::Directory {
            return Err(bad(format!("{}: only a directory can have this path", shown(&path))));
        }
        self.make(kind, &name, entry).map_err(|stop| at(&path, stop))
    }

    fn make<R: Read>(&mut self, kind: EntryType, name: &Name, entry: &mut Entry<'_, R>) -> Result<u64, Stop> {
        let mode = entry.header().mode().map_err(reading)? & MODE_BITS;
        let modified = i64::try_from(entry.header().mtime().map_err(reading)?).unwrap_or(0);
        match kind {
            EntryType::Directory => self.directory(name, mode, modified)?,
            EntryType::Regular | EntryType::Continuous => return self.file(name, mode, modified, entry),
            EntryType::Symlink => {
                let to = link(entry)?;
                let place = self.cleared(name)?;
                symlinkat(to.as_slice(), &place.parent, place.name.as_slice())?;
            }
            EntryType::Link => {
                let to = parse(&link(entry)?)?;
                if to != *name {
                    let from = self.open(&to.parent)?;
                    let place = self.cleared(name)?;
                    linkat(
                        &from,
                        to.last.as_slice(),
                        &place.parent,
                        place.name.as_slice(),
                        AtFlags::empty(),
                    )?;
                }
            }
            EntryType::Fifo => {
                let place = self.cleared(name)?;
                let mode = Mode::from_raw_mode(RawMode::from(mode));
                mknodat(&place.parent, place.name.as_slice(), FileType::Fifo, mode, 0)?;
            }
            EntryType::GNUSparse => {
                return Err(bad("sparse entries are not taken: make the tar without --sparse"));
            }
            _ => return Err(bad("devices and other special entries are not taken")),
        }
        Ok(0)
    }

    fn file<R: Read>(
        &mut self,
        name: &Name,
        mode: u32,
        modified: i64,
        content: &mut Entry<'_, R>,
    ) -> Result<u64, Stop> {
        let place = self.place(name)?;
        let is_directory = statat(&place.parent, place.name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        if is_directory {
            return Err(Errno::ISDIR.into());
        }
        let mut temporary = Temporary::new(&place)?;
        let bytes = copy(content, &mut temporary.file)?;
        fchmod(&temporary.file, Mode::from_raw_mode(RawMode::from(mode)))?;
        futimens(&temporary.file, &times(modified))?;
        temporary.publish()?;
        Ok(bytes)
    }

    fn directory(&mut self, name: &Name, mode: u32, modified: i64) -> Result<(), Stop> {
        if name.last.is_empty() {
            return Ok(());
        }
        let place = self.place(name)?;
        match mkdirat(&place.parent, place.name.as_slice(), Mode::RWXU) {
            Ok(()) => {
                let path = joined(name);
                self.bytes += path.len() + size_of::<(Vec<u8>, u32, i64)>();
                if self.bytes <= DIRECTORY_NAMES_BYTES_MAX {
                    self.directories.push((path, mode, modified));
                }
                Ok(())
            }
            // One that was there keeps its rights.
            Err(Errno::EXIST) => self.open(&joined(name)).map(drop),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The place of an entry, its directories made.
    fn place(&mut self, name: &Name) -> Result<Place, Stop> {
        if self.last.as_ref().is_none_or(|(path, _)| *path != name.parent) {
            let parent = self.open_or_make(&name.parent)?;
            self.last = Some((name.parent.clone(), parent));
        }
        let (_, parent) = self.last.as_ref().ok_or(Errno::IO)?;
        Ok(Place { parent: parent.try_clone()?, name: name.last.clone() })
    }

    /// The same, with nothing there but what cannot be removed.
    fn cleared(&mut self, name: &Name) -> Result<Place, Stop> {
        let place = self.place(name)?;
        match unlinkat(&place.parent, place.name.as_slice(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(place),
            Err(errno) => Err(errno.into()),
        }
    }

    fn open(&self, path: &[u8]) -> Result<OwnedFd, Stop> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat2(&self.top, path, flags, Mode::empty(), BENEATH) {
            Err(Errno::XDEV) => Err(bad("a link on the way leads out of the directory")),
            other => Ok(other?),
        }
    }

    fn open_or_make(&self, path: &[u8]) -> Result<OwnedFd, Stop> {
        match self.open(path) {
            Err(Stop::Failed(failure)) if failure.kind == Kind::NotFound => {}
            other => return other,
        }
        let mut way = Vec::new();
        for part in path.split(|byte| *byte == b'/') {
            let directory = self.open(&way)?;
            match mkdirat(&directory, part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            if !way.is_empty() {
                way.push(b'/');
            }
            way.extend_from_slice(part);
        }
        self.open(path)
    }

    /// Gives directories their rights and times, now that nothing is put into them any more.
    fn finish(&self) {
        for (path, mode, modified) in self.directories.iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // What was a directory may have become something else.
            let Ok(directory) = openat2(&self.top, path.as_slice(), flags, Mode::empty(), BENEATH) else {
                continue;
            };
            let _best_effort = futimens(&directory, &times(*modified));
            let _best_effort = fchmod(&directory, Mode::from_raw_mode(RawMode::from(*mode)));
        }
    }
}

fn joined(name: &Name) -> Vec<u8> {
    if name.parent.is_empty() { name.last.clone() } else { [&name.parent[..], b"/", &name.last[..]].concat() }
}

fn link<R: Read>(entry: &Entry<'_, R>) -> Result<Vec<u8>, Stop> {
    match entry.link_name_bytes() {
        Some(to) if (1..=PATH_BYTES_MAX).contains(&to.len()) && !to.contains(&0) => Ok(to.into_owned()),
        Some(_) | None => Err(bad("a link leads nowhere")),
    }
}

fn times(modified: i64) -> Timestamps {
    let modified = Timespec { tv_sec: modified, tv_nsec: 0 };
    Timestamps { last_access: modified, last_modification: modified }
}

fn copy(content: &mut impl Read, file: &mut std::fs::File) -> Result<u64, Stop> {
    let mut chunk = vec![0; 64 << 10];
    let mut copied = 0_u64;
    loop {
        let n = content.read(&mut chunk).map_err(reading)?;
        if n == 0 {
            return Ok(copied);
        }
        file.write_all(chunk.get(..n).unwrap_or_default())?;
        copied = copied.saturating_add(u64::try_from(n).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_beneath() {
        assert_eq!(parse(b"./a//b/c").unwrap(), Name { parent: b"a/b".to_vec(), last: b"c".to_vec() });
        assert_eq!(parse(b"/etc").unwrap(), Name { parent: Vec::new(), last: b"etc".to_vec() });
        assert_eq!(parse(b"./").unwrap().last, b"");
        for path in [&b"../a"[..], b"a/../../b", b"a\0b", &[b'a'; 256], &b"a/".repeat(300)] {
            assert!(matches!(parse(path), Err(Stop::Failed(failure)) if failure.kind == Kind::BadArchive));
        }
    }
}
