//! One folder of a cgroup file system, and the few things done in it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir as Entries, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::{Errno, Result};
use rustix::process::Pid;

use crate::house::DIRECTORY;

/// Longest file that is read, in bytes: a list of 64 Ki processes of seven digits.
const FILE_BYTES_MAX: usize = 512 << 10;

/// A folder of a cgroup file system; in tests, a folder that stands in for one.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    /// Flags beyond writing: the tests' stand-in has no files of the kernel's, so it makes them.
    write: OFlags,
}

impl Dir {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self { fd, write: OFlags::empty() }
    }

    #[cfg(test)]
    pub(super) fn stand_in(path: &std::path::Path) -> Self {
        let fd = rustix::fs::open(path, DIRECTORY, Mode::empty()).unwrap();
        Self { fd, write: OFlags::CREATE | OFlags::TRUNC }
    }

    /// Makes a group; one that exists is fine.
    pub(super) fn make(&self, name: &str) -> Result<()> {
        match mkdirat(&self.fd, name, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => Ok(()),
            other => other,
        }
    }

    /// Removes a group; whether it is gone.
    pub(super) fn remove(&self, name: &str) -> Result<bool> {
        match unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            // The last process has exited, but has not been switched out for good yet.
            Err(Errno::BUSY) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Renames a group (version 1 only); whether there was one.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<bool> {
        match rustix::fs::renameat(&self.fd, from, &self.fd, to) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Writes a file of the kernel's, in one write as it must be.
    pub(super) fn set(&self, path: &str, value: &str) -> Result<()> {
        let file = openat(
            &self.fd,
            path,
            OFlags::WRONLY | OFlags::CLOEXEC | self.write,
            Mode::from_raw_mode(0o644),
        )?;
        let written = rustix::io::write(&file, value.as_bytes())?;
        if written == value.len() { Ok(()) } else { Err(Errno::IO) }
    }

    /// Opens a file for writing.
    pub(super) fn entry(&self, path: &str) -> Result<OwnedFd> {
        openat(&self.fd, path, OFlags::WRONLY | OFlags::CLOEXEC | self.write, Mode::from_raw_mode(0o644))
    }

    /// Opens a group's folder.
    pub(super) fn open(&self, name: &str) -> Result<OwnedFd> {
        openat(&self.fd, name, DIRECTORY, Mode::empty())
    }

    /// Processes of a group; none where it is gone.
    pub(super) fn members(&self, name: &str) -> Vec<Pid> {
        let text = self.read(&format!("{name}/cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect()
    }

    /// Reads a file of the kernel's; `None` where there is none.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let file = openat(&self.fd, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut text = Vec::new();
        let mut chunk = [0_u8; 4096];
        while let Ok(read @ 1..) = rustix::io::read(&file, &mut chunk) {
            text.extend_from_slice(&chunk[..read]);
            if text.len() > FILE_BYTES_MAX {
                break;
            }
        }
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// Names of the groups in this one.
    pub(super) fn children(&self) -> Vec<String> {
        let Ok(entries) = Entries::read_from(self.fd.as_fd()) else { return Vec::new() };
        let folders = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().to_str().ok()?;
            (entry.file_type() == rustix::fs::FileType::Directory && !name.starts_with('.'))
                .then(|| name.to_owned())
        });
        folders.collect()
    }
}
