//! The installation's id: made once, and in every name on the host.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

use atoll_types::InstallationId;
use rustix::fs::{Mode, OFlags, fsync, openat, renameat};
use rustix::io::Errno;

const NAME: &str = "installation";
const NEW_NAME: &str = "installation.new";
/// The id, a newline, and one byte more to see that there is more.
const BYTES_MAX: u64 = 10;

/// Reads the id, or makes one. Called under the lock.
pub(crate) fn load_or_make(root: &OwnedFd) -> io::Result<InstallationId> {
    match openat(root, NAME, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => {
            let mut text = String::new();
            File::from(fd).take(BYTES_MAX).read_to_string(&mut text)?;
            text.trim_end().parse().map_err(io::Error::other)
        }
        Err(Errno::NOENT) => make(root),
        Err(error) => Err(error.into()),
    }
}

/// Written aside, made durable, then put in place: a cut leaves either no id or a whole one.
fn make(root: &OwnedFd) -> io::Result<InstallationId> {
    let id = InstallationId::random();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(root, NEW_NAME, flags, Mode::from_raw_mode(0o644))?);
    writeln!(file, "{id}")?;
    file.sync_all()?;
    renameat(root, NEW_NAME, root, NAME)?;
    fsync(root)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        let fd = OwnedFd::from(File::open(folder.path()).unwrap());
        (folder, fd)
    }

    #[test]
    fn it_is_made_once() {
        let (_folder, fd) = folder();
        let id = load_or_make(&fd).unwrap();
        assert_eq!(load_or_make(&fd).unwrap(), id);
    }

    #[test]
    fn a_cut_before_the_rename_does_no_harm() {
        let (folder, fd) = folder();
        std::fs::write(folder.path().join(NEW_NAME), "abc").unwrap();
        let id = load_or_make(&fd).unwrap();
        assert_eq!(load_or_make(&fd).unwrap(), id);
    }

    #[test]
    fn a_broken_one_is_never_replaced() {
        let (folder, fd) = folder();
        for text in ["", "short", "longer than it", "../../.."] {
            std::fs::write(folder.path().join(NAME), text).unwrap();
            assert!(load_or_make(&fd).is_err(), "{text:?}");
        }
    }
}
