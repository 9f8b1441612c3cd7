//! A tar of what is in a directory, or of one file.
//!
//! Only what the user may read: something unreadable ends the archive with an error, so that nobody takes half a tree for
//! the whole. Sockets and devices are left out, names of the same file become files of their own, and holes become zeros.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use atoll_agent_protocol::v1::{FileErrorKind as Kind, FileReply};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};

use super::entry;
use super::failure::Stop;
use super::walk::{self, Closed, Found, Then};
use super::wire::{DataWriter, Wire};

pub(super) fn pack(wire: &mut Wire, path: &[u8]) -> Result<(), Stop> {
    let stat = statat(CWD, path, AtFlags::empty())?;
    let reply = FileReply { entry: Some(entry::of(&stat, path)), ..FileReply::default() };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let top = walk::open(CWD, path)?;
            wire.reply(&reply)?;
            let mut builder = Builder::new(DataWriter::new(wire));
            let mut header = header_of(&fstat(&top)?, EntryType::Directory);
            builder.append_data(&mut header, "./", io::empty()).map_err(writing)?;
            walk::walk(&top, Closed::Fails, &mut |found| add(&mut builder, found).map(|()| Then::GoOn))?;
            finish(builder)
        }
        FileType::RegularFile => {
            let (file, stat) = super::read::open(path)?;
            wire.reply(&reply)?;
            let mut builder = Builder::new(DataWriter::new(wire));
            let name = path.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty()).unwrap_or(b"file");
            add_file(&mut builder, name, file, &stat)?;
            finish(builder)
        }
        _ => Err(Stop::new(Kind::NotRegular, "it is neither a directory nor a regular file")),
    }
}

type Tar<'a> = Builder<DataWriter<'a>>;

fn add(builder: &mut Tar<'_>, found: &Found<'_>) -> Result<(), Stop> {
    let path = Path::new(std::ffi::OsStr::from_bytes(found.path));
    match found.kind() {
        FileType::Directory => {
            let mut header = header_of(&found.stat, EntryType::Directory);
            let with_slash = [found.path, b"/"].concat();
            let path = Path::new(std::ffi::OsStr::from_bytes(&with_slash));
            builder.append_data(&mut header, path, io::empty()).map_err(writing)
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let file = match openat(found.parent, found.name, flags, Mode::empty()) {
                // Something else has the name by now.
                Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(()),
                other => other?,
            };
            let stat = fstat(&file)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Ok(());
            }
            add_file(builder, found.path, file.into(), &stat)
        }
        FileType::Symlink => {
            let to = match readlinkat(found.parent, found.name, Vec::new()) {
                Err(Errno::NOENT | Errno::INVAL) => return Ok(()),
                other => other?,
            };
            let mut header = header_of(&found.stat, EntryType::Symlink);
            let to = Path::new(std::ffi::OsStr::from_bytes(to.as_bytes()));
            builder.append_link(&mut header, path, to).map_err(writing)
        }
        FileType::Fifo => {
            let mut header = header_of(&found.stat, EntryType::Fifo);
            builder.append_data(&mut header, path, io::empty()).map_err(writing)
        }
        FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => Ok(()),
    }
}

fn add_file(builder: &mut Tar<'_>, path: &[u8], file: File, stat: &Stat) -> Result<(), Stop> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let mut header = header_of(stat, EntryType::Regular);
    header.set_size(size);
    let mut content = Content { file, left: size, failed: None };
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let added = builder.append_data(&mut header, path, &mut content);
    match content.failed {
        Some(error) => Err(error.into()),
        None => added.map_err(writing),
    }
}

fn header_of(stat: &Stat, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(0);
    header
}

fn finish(builder: Tar<'_>) -> Result<(), Stop> {
    let mut writer = builder.into_inner().map_err(writing)?;
    io::Write::flush(&mut writer).map_err(writing)
}

fn writing(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::Gone,
        _ => Stop::new(Kind::BadPath, format!("it cannot be put into an archive: {error}")),
    }
}

/// A file of exactly the size that its header tells, whatever becomes of it meanwhile.
struct Content {
    file: File,
    left: u64,
    failed: Option<io::Error>,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let n = match self.file.read(buffer) {
            Ok(0) => {
                buffer.fill(0);
                buffer.len()
            }
            Ok(n) => n,
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                return Err(kind.into());
            }
        };
        self.left -= u64::try_from(n).unwrap_or(self.left);
        Ok(n)
    }
}
