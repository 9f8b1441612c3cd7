//! A file that is not there before it is whole.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::failure::Stop;
use super::place::Place;

/// Names tried for a temporary file.
const ATTEMPTS: u32 = 16;

/// A file without a name where the file system has such, else with one that goes with it.
#[derive(Debug)]
pub(super) struct Temporary<'a> {
    place: &'a Place,
    pub(super) file: File,
    name: Option<Vec<u8>>,
}

impl<'a> Temporary<'a> {
    /// Beside what it is to replace, with no rights for others.
    pub(super) fn new(place: &'a Place) -> Result<Self, Stop> {
        let mode = Mode::from_raw_mode(0o600);
        match openat(&place.parent, ".", OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC, mode) {
            Ok(file) => return Ok(Self { place, file: file.into(), name: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for attempt in 0..ATTEMPTS {
            let name = new_name(attempt);
            match openat(&place.parent, name.as_slice(), flags, mode) {
                Ok(file) => return Ok(Self { place, file: file.into(), name: Some(name) }),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Gives it its name, in place of what has it. A moment in between it has a temporary one, since a file without a
    /// name cannot replace another.
    pub(super) fn publish(mut self) -> Result<(), Stop> {
        if self.name.is_none() {
            if self.link(&self.place.name)? {
                return Ok(());
            }
            let name = new_name(0);
            if !self.link(&name)? {
                return Err(Errno::EXIST.into());
            }
            self.name = Some(name);
        }
        let Some(name) = &self.name else { return Ok(()) };
        let parent: &OwnedFd = &self.place.parent;
        renameat(parent, name.as_slice(), parent, self.place.name.as_slice())?;
        self.name = None;
        Ok(())
    }

    /// Names the nameless; false when the name is taken.
    fn link(&self, name: &[u8]) -> Result<bool, Stop> {
        let itself = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match linkat(CWD, itself, &self.place.parent, name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _gone = unlinkat(&self.place.parent, name.as_slice(), AtFlags::empty());
        }
    }
}

/// A name that hardly anything else has; one that is taken is an error, never used.
fn new_name(attempt: u32) -> Vec<u8> {
    let nanos = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.subsec_nanos());
    format!(".atoll-{}-{nanos:x}-{attempt}", std::process::id()).into_bytes()
}
