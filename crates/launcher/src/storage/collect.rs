//! Removes what was discarded. Slow: for a helper process.

use std::os::fd::{AsFd, OwnedFd};

use atoll_types::SandboxId;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::{Kind, Storage, ioctl};
use crate::house::DIRECTORY;

/// Inode number of the root of every btrfs subvolume.
const SUBVOLUME_ROOT: u64 = 256;

/// How deep folders are followed with a descriptor each; deeper ones are moved to the top first.
const DEPTH_MAX: u32 = 32;

impl Storage {
    /// Removes everything in the trash.
    pub(crate) fn collect(&self) {
        // Folders from too deep below appear at the top while this goes on; a sandbox can nest them without bound.
        for _round in 0..100_000 {
            let names = names(&self.trash);
            if names.is_empty() {
                return;
            }
            let mut removed = false;
            for name in names {
                removed |= self.remove_tree(self.trash.as_fd(), &name, 0).is_ok();
            }
            if !removed {
                return;
            }
        }
    }

    /// How many things wait in the trash.
    pub(crate) fn trash_count(&self) -> u32 {
        u32::try_from(names(&self.trash).len()).unwrap_or(u32::MAX)
    }

    fn remove_tree(&self, parent: impl AsFd, name: &std::ffi::CStr, depth: u32) -> rustix::io::Result<()> {
        if self.remove_at_once(&parent, name)? {
            return Ok(());
        }
        if depth >= DEPTH_MAX {
            return renameat(&parent, name, &self.trash, format!("deep-{}", SandboxId::random()));
        }
        let folder = openat(&parent, name, DIRECTORY | OFlags::RDONLY, Mode::empty())?;
        for child in names(&folder) {
            self.remove_tree(&folder, &child, depth + 1)?;
        }
        match unlinkat(&parent, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOENT) => Ok(()),
            other => other,
        }
    }

    /// Removes what needs no walk: a file, a subvolume. Whether it is gone.
    fn remove_at_once(&self, parent: impl AsFd, name: &std::ffi::CStr) -> rustix::io::Result<bool> {
        let stat = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            unlinkat(&parent, name, AtFlags::empty())?;
            return Ok(true);
        }
        let subvolume = matches!(self.kind, Kind::Btrfs { .. }) && stat.st_ino == SUBVOLUME_ROOT;
        Ok(subvolume && name.to_str().is_ok_and(|name| ioctl::destroy_subvolume(&parent, name).is_ok()))
    }
}

fn names(folder: &OwnedFd) -> Vec<std::ffi::CString> {
    let Ok(entries) = Dir::read_from(folder) else { return Vec::new() };
    let all = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_owned()));
    all.filter(|name| name.as_bytes() != b"." && name.as_bytes() != b"..").collect()
}
