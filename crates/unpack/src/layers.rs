//! Layers over each other: what a layer hides of those below it, and what is its own, which it never hides.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fstat, openat, unlinkat};
use rustix::io::{Errno, Result};

/// How deep folders are followed to hide them: a descriptor is open for each.
const DEPTH_MAX: u32 = 200;

/// Names that the layer which is being unpacked has made. A layer may say in any order what it hides and what it has.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    layers: u32,
    /// A name by its folder's number and itself, hashed: two that are the same by chance only keep a file from being hidden.
    names: HashSet<u64>,
}

impl Fresh {
    pub(crate) fn begin_layer(&mut self) {
        self.layers = self.layers.saturating_add(1);
        self.names.clear();
    }

    /// Whether there are layers at all.
    pub(crate) fn layered(&self) -> bool {
        self.layers > 0
    }

    /// Whether names are to be noted: the first layer has none below.
    pub(crate) fn notes(&self) -> bool {
        self.layers > 1
    }

    pub(crate) fn note(&mut self, folder: impl AsFd, name: &[u8]) -> Result<()> {
        self.names.insert(key(folder, name)?);
        Ok(())
    }

    /// Removes the name, unless it is this layer's own; of a folder of its own what is not.
    pub(crate) fn hide(&self, folder: &OwnedFd, name: &[u8]) -> Result<()> {
        self.hide_below(folder, name, DEPTH_MAX)
    }

    /// Removes everything in the folder but what is this layer's own.
    pub(crate) fn hide_all(&self, folder: OwnedFd) -> Result<()> {
        self.hide_within(folder, DEPTH_MAX)
    }

    fn hide_below(&self, folder: impl AsFd, name: &[u8], depth: u32) -> Result<()> {
        if !self.notes() {
            return Ok(());
        }
        if !self.names.contains(&key(&folder, name)?) {
            return remove_below(folder, name, depth);
        }
        match open(folder, name) {
            Ok(own) => self.hide_within(own, depth),
            // A file of its own, or a link: it stays.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn hide_within(&self, folder: OwnedFd, depth: u32) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
        each(folder, |folder, name| self.hide_below(folder, name, depth))
    }
}

/// Removes a name, and everything below it. Links are not followed.
pub(crate) fn remove(folder: impl AsFd, name: &[u8]) -> Result<()> {
    remove_below(folder, name, DEPTH_MAX)
}

fn remove_below(folder: impl AsFd, name: &[u8], depth: u32) -> Result<()> {
    match unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(errno),
    }
    let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
    each(open(&folder, name)?, |folder, name| remove_below(folder, name, depth))?;
    unlinkat(&folder, name, AtFlags::REMOVEDIR)
}

fn open(folder: impl AsFd, name: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}

/// Each name in a folder, which may be removed meanwhile.
fn each(
    folder: OwnedFd,
    mut with: impl FnMut(rustix::fd::BorrowedFd<'_>, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut dir = Dir::new(folder)?;
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            with(dir.fd()?, name)?;
        }
    }
    Ok(())
}

fn key(folder: impl AsFd, name: &[u8]) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    (fstat(folder)?.st_ino, name).hash(&mut hasher);
    Ok(hasher.finish())
}
