//! Small files of serve's own folder: read with a bound, written whole or not at all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, mkdirat, openat, renameat};
use rustix::io::Errno;

use super::InnerError;

/// Bytes of a small file: an id, an address, a key.
const FILE_BYTES_MAX: u64 = 4 << 10;

/// `DIR/serve`, held open.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    pub(super) fn new(folder: OwnedFd) -> Self {
        Self(folder)
    }

    /// Another handle of it.
    pub(super) fn again(&self) -> Result<Self, InnerError> {
        let source = |source| InnerError::File { action: "open", name: "the folder of serve", source };
        self.0.try_clone().map(Self).map_err(source)
    }

    /// A path to something in it, for libraries that want one.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd())).join(name)
    }

    /// Opens a folder in it, made where it is missing.
    pub(super) fn subfolder(&self, name: &'static str) -> Result<OwnedFd, InnerError> {
        let failed = |error: Errno| InnerError::File { action: "make", name, source: error.into() };
        match mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.0, name, flags, Mode::empty()).map_err(failed)
    }

    /// The text of a file, without what surrounds it; `None` when there is no such file.
    pub(super) fn read(&self, name: &'static str) -> Result<Option<String>, InnerError> {
        read(self.0.as_fd(), name).map_err(|source| InnerError::File { action: "read", name, source })
    }

    /// Writes a file that only this user reads. A crash leaves the old one or the new one.
    pub(super) fn write(&self, name: &'static str, text: &str) -> Result<(), InnerError> {
        write(self.0.as_fd(), name, text).map_err(|source| InnerError::File { action: "write", name, source })
    }
}

fn read(folder: BorrowedFd<'_>, name: &str) -> io::Result<Option<String>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(text.trim().to_owned()))
}

fn write(folder: BorrowedFd<'_>, name: &str, text: &str) -> io::Result<()> {
    let new = format!("{name}.new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, &new, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    renameat(folder, &new, folder, name)?;
    Ok(rustix::fs::fsync(openat(folder, ".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(File::open(dir.path()).unwrap().into());
        (dir, folder)
    }

    #[test]
    fn what_was_written_is_read_and_is_private() {
        use std::os::unix::fs::PermissionsExt;

        let (dir, folder) = folder();
        assert_eq!(folder.read("node").unwrap(), None);
        folder.write("node", "one").unwrap();
        folder.write("node", "two").unwrap();
        assert_eq!(folder.read("node").unwrap().as_deref(), Some("two"));
        let mode = std::fs::metadata(dir.path().join("node")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!dir.path().join("node.new").exists());
    }

    #[test]
    fn links_are_not_followed() {
        let (dir, folder) = folder();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("node")).unwrap();
        assert!(folder.read("node").is_err());
        std::os::unix::fs::symlink("/etc", dir.path().join("spool")).unwrap();
        assert!(folder.subfolder("spool").is_err());
    }
}
