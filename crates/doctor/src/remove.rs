//! Removes a tree that a sandbox may have written: no link is followed, no mount is crossed, and no depth hurts.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, RenameFlags, ResolveFlags, openat2, renameat_with, unlinkat};
use rustix::io::Errno;

/// Names that are read at once: a folder may hold millions.
const BATCH: usize = 4_096;

/// How deep it goes where a folder cannot be moved up: into subvolumes, and on a full disk.
const NESTING_MAX: u32 = 64;

/// Removes `name` in `parent` with all that is in it; one that is gone is fine. A btrfs subvolume is removed like a
/// folder (Linux 4.18 and later).
///
/// Folders are not walked down: what is in a folder is moved up to the top of the tree, and the folder, now empty, removed. So
/// the time grows with the number of folders, and three descriptors do for any depth.
pub(crate) fn remove_tree(parent: impl AsFd, name: &CStr) -> io::Result<()> {
    Ok(remove(parent.as_fd(), name, 0)?)
}

fn remove(parent: impl AsFd, name: &CStr, nesting: u32) -> rustix::io::Result<()> {
    if nesting > NESTING_MAX {
        return Err(Errno::LOOP);
    }
    if remove_simple(&parent, name)? {
        return Ok(());
    }
    let top = open(&parent, name)?;
    let mut moved = 0;
    while let names @ [_, ..] = &*names(&top)? {
        for name in names {
            if !remove_simple(&top, name)? {
                empty(&top, name, &mut moved, nesting)?;
            }
        }
    }
    remove_folder(&parent, name)
}

/// Moves all that is in the folder `name` up to `top`, and removes the folder.
fn empty(top: &OwnedFd, name: &CStr, moved: &mut u64, nesting: u32) -> rustix::io::Result<()> {
    let folder = open(top, name)?;
    while let names @ [_, ..] = &*names(&folder)? {
        for name in names {
            if !remove_simple(&folder, name)? {
                match move_up(&folder, name, top, moved) {
                    // Another subvolume, or no room for the move itself.
                    Err(Errno::XDEV | Errno::NOSPC | Errno::DQUOT) => remove(&folder, name, nesting + 1)?,
                    other => other?,
                }
            }
        }
    }
    remove_folder(top, name)
}

fn move_up(folder: &OwnedFd, name: &CStr, top: &OwnedFd, moved: &mut u64) -> rustix::io::Result<()> {
    loop {
        *moved += 1;
        match renameat_with(folder, name, top, format!("removing-{moved}"), RenameFlags::NOREPLACE) {
            // The sandbox thought of the same name.
            Err(Errno::EXIST) => {}
            other => return other,
        }
    }
}

/// Removes what is no folder, or an empty one; whether it is gone.
fn remove_simple(parent: impl AsFd, name: &CStr) -> rustix::io::Result<bool> {
    match unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    match unlinkat(&parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_folder(parent: impl AsFd, name: &CStr) -> rustix::io::Result<()> {
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn open(parent: impl AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // What is mounted in the tree is not part of it: a bind mount of something precious must not be emptied.
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(parent, name, flags, Mode::empty(), resolve)
}

fn names(folder: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if name.to_bytes() != b"." && name.to_bytes() != b".." {
            names.push(name);
        }
        if names.len() >= BATCH {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use super::*;

    fn place() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        let fd = OwnedFd::from(File::open(folder.path()).unwrap());
        (folder, fd)
    }

    #[test]
    fn a_tree_goes_and_what_its_links_name_stays() {
        let (place, fd) = place();
        let path = place.path();
        std::fs::create_dir_all(path.join("tree/a/b/removing-1/c")).unwrap();
        std::fs::create_dir_all(path.join("tree/removing-2/d")).unwrap();
        std::fs::create_dir(path.join("precious")).unwrap();
        std::fs::write(path.join("precious/file"), "x").unwrap();
        symlink(path.join("precious"), path.join("tree/a/link")).unwrap();
        std::fs::write(path.join("tree/a/b/file"), "x").unwrap();
        remove_tree(&fd, c"tree").unwrap();
        remove_tree(&fd, c"tree").unwrap();
        assert!(!path.join("tree").exists() && path.join("precious/file").exists());
        symlink(path.join("precious"), path.join("link")).unwrap();
        remove_tree(&fd, c"link").unwrap();
        assert!(path.join("precious/file").exists());
    }

    #[test]
    fn depth_does_not_matter() {
        let (place, fd) = place();
        std::fs::create_dir(place.path().join("tree")).unwrap();
        let mut folder = open(&fd, c"tree").unwrap();
        for _ in 0..1_000 {
            rustix::fs::mkdirat(&folder, c"d", Mode::RWXU).unwrap();
            rustix::fs::mkdirat(&folder, c"e", Mode::RWXU).unwrap();
            folder = open(&folder, c"d").unwrap();
        }
        remove_tree(&fd, c"tree").unwrap();
        assert!(!place.path().join("tree").exists());
    }

    #[test]
    fn more_names_than_one_batch_go() {
        let (place, fd) = place();
        std::fs::create_dir(place.path().join("tree")).unwrap();
        for n in 0..BATCH + 10 {
            File::create(place.path().join(format!("tree/{n}"))).unwrap();
        }
        remove_tree(&fd, c"tree").unwrap();
        assert!(!place.path().join("tree").exists());
    }
}
