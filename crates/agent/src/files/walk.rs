//! A walk through a tree, without following links and without leaving its file system.

use std::os::fd::OwnedFd;

use atoll_agent_protocol::v1::FileErrorKind as Kind;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::failure::Stop;

/// Deepest directory that is walked into: each one above it is held open.
const DEPTH_MAX: usize = 256;

/// Something that was found.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Its directory.
    pub(super) parent: &'a OwnedFd,
    /// Its name there.
    pub(super) name: &'a [u8],
    /// From where the walk began.
    pub(super) path: &'a [u8],
    pub(super) stat: Stat,
}

impl Found<'_> {
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// What follows a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Stop,
}

/// What becomes of a directory that this user may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    IsPassed,
    Fails,
}

pub(super) fn open(parent: impl std::os::fd::AsFd, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    openat(parent, path, flags, Mode::empty())
}

/// Shows everything below a directory to `look`, a directory before what is in it.
pub(super) fn walk(
    top: &OwnedFd,
    closed: Closed,
    look: &mut dyn FnMut(&Found<'_>) -> Result<Then, Stop>,
) -> Result<Then, Stop> {
    let device = fstat(top)?.st_dev;
    let mut walker = Walker { device, closed, look, path: Vec::new() };
    walker.level(top, 0)
}

struct Walker<'a> {
    device: u64,
    closed: Closed,
    look: &'a mut dyn FnMut(&Found<'_>) -> Result<Then, Stop>,
    path: Vec<u8>,
}

impl Walker<'_> {
    fn level(&mut self, directory: &OwnedFd, depth: usize) -> Result<Then, Stop> {
        if depth == DEPTH_MAX {
            return Err(Stop::new(Kind::BadPath, "the directories are nested too deeply"));
        }
        for found in Dir::read_from(directory)? {
            let found = found?;
            let name = found.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let above = self.path.len();
            if above > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name);
            let then = self.one(directory, name, depth)?;
            self.path.truncate(above);
            if then == Then::Stop {
                return Ok(Then::Stop);
            }
        }
        Ok(Then::GoOn)
    }

    fn one(&mut self, parent: &OwnedFd, name: &[u8], depth: usize) -> Result<Then, Stop> {
        let stat = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            // Gone in the meantime.
            Err(Errno::NOENT) => return Ok(Then::GoOn),
            other => other?,
        };
        let found = Found { parent, name, path: &self.path, stat };
        if (self.look)(&found)? == Then::Stop {
            return Ok(Then::Stop);
        }
        if found.kind() != FileType::Directory || stat.st_dev != self.device {
            return Ok(Then::GoOn);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(parent, name, flags, Mode::empty()) {
            Ok(below) => self.level(&below, depth + 1),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(Then::GoOn),
            Err(Errno::ACCESS | Errno::PERM) if self.closed == Closed::IsPassed => Ok(Then::GoOn),
            Err(errno) => Err(errno.into()),
        }
    }
}
