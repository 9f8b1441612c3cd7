//! Removing a file, or a directory with all that is in it.
//!
//! A hostile tree may be deeper than a process can have files open, and change while it is removed. So only the directory
//! that is worked on is open; the way back up goes by `..`, and is checked to lead where it came from.

use std::os::fd::OwnedFd;

use atoll_agent_protocol::v1::FileErrorKind as Kind;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, fstat, openat, unlinkat};
use rustix::io::Errno;

use super::failure::Stop;
use super::place;

/// Names of directories that are remembered of one directory at once; more take another look at it.
const NAMES_MAX: usize = 256;
/// Deepest tree that is removed: what is deeper would fill this process with the names on the way.
const DEPTH_MAX: usize = 100_000;

pub(super) fn remove(path: &[u8], recursive: bool) -> Result<(), Stop> {
    let place = place::find(path)?;
    let name = place.name.as_slice();
    match unlinkat(&place.parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        other => return Ok(other?),
    }
    match unlinkat(&place.parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY) if recursive => {}
        other => return Ok(other?),
    }
    empty(open(&place.parent, name)?)?;
    Ok(unlinkat(&place.parent, name, AtFlags::REMOVEDIR)?)
}

fn open(parent: &OwnedFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    openat(parent, name, flags, Mode::empty())
}

/// A directory on the way down.
struct Level {
    /// Device and inode.
    id: (u64, u64),
    /// Directories in it that are not removed yet.
    names: Vec<Vec<u8>>,
    /// Whether there may be more in it than `names`.
    more: bool,
    /// What is removed when it is empty: its name in the one above.
    name: Vec<u8>,
}

fn id(directory: &OwnedFd) -> rustix::io::Result<(u64, u64)> {
    let stat = fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn empty(top: OwnedFd) -> Result<(), Stop> {
    let mut at = top;
    let mut levels = vec![level(&at, Vec::new())?];
    while let Some(last) = levels.last_mut() {
        if let Some(name) = last.names.pop() {
            match open(&at, &name) {
                Ok(below) => at = below,
                // Somebody else removed it, or put something else there.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(errno) => return Err(errno.into()),
            }
            if levels.len() == DEPTH_MAX {
                return Err(Stop::new(Kind::BadPath, "the directories are nested too deeply"));
            }
            levels.push(level(&at, name)?);
            continue;
        }
        if last.more {
            let name = std::mem::take(&mut last.name);
            *last = level(&at, name)?;
            continue;
        }
        let done = levels.pop();
        let (Some(above), Some(done)) = (levels.last(), done) else { break };
        at = openat(&at, "..", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        if id(&at)? != above.id {
            return Err(Stop::new(Kind::Busy, "the directories were moved while they were removed"));
        }
        match unlinkat(&at, done.name.as_slice(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Removes the files of a directory, and notes the directories in it.
fn level(directory: &OwnedFd, name: Vec<u8>) -> Result<Level, Stop> {
    let mut level = Level { id: id(directory)?, names: Vec::new(), more: false, name };
    for found in Dir::read_from(directory)? {
        let found = found?;
        let name = found.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) if level.names.len() < NAMES_MAX => level.names.push(name.to_bytes().to_vec()),
            Err(Errno::ISDIR) => {
                level.more = true;
                break;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(level)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn bytes(path: &std::path::Path) -> &[u8] {
        std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())
    }

    #[test]
    fn a_tree_goes_and_what_its_links_lead_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, kept) = (folder.path().join("tree"), folder.path().join("kept"));
        std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
        for n in 0..600 {
            std::fs::create_dir(tree.join(format!("d{n}"))).unwrap();
            std::fs::write(tree.join(format!("a/f{n}")), "x").unwrap();
        }
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "kept").unwrap();
        symlink(&kept, tree.join("a/b/link")).unwrap();
        assert!(matches!(remove(bytes(&tree), false), Err(Stop::Failed(f)) if f.kind == Kind::NotEmpty));
        remove(bytes(&tree), true).unwrap();
        assert!(!tree.exists() && kept.join("file").exists());
    }

    #[test]
    fn a_tree_deeper_than_files_can_be_open_goes() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        std::fs::create_dir(&top).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut at = openat(rustix::fs::CWD, &top, flags, Mode::empty()).unwrap();
        for _ in 0..5_000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = openat(&at, "d", flags, Mode::empty()).unwrap();
        }
        remove(bytes(&top), true).unwrap();
        assert!(!top.exists());
    }
}
