//! One supervisor per data folder.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

/// Somebody else has it.
#[derive(Debug, thiserror::Error)]
#[error("another atoll already serves {} (pid {pid})", data_dir.display())]
pub(crate) struct Held {
    data_dir: PathBuf,
    pid: String,
}

/// The lock; free when this is closed, also by death. Close-on-exec, so no part holds it on.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Digits of the longest process id, and a newline.
const PID_BYTES_MAX: u64 = 16;

/// Takes the lock, and writes our process id into its file for those who come later.
pub(crate) fn take(root: &OwnedFd, data_dir: &Path) -> anyhow::Result<Lock> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(root, "lock", flags, Mode::from_raw_mode(0o644)).context("cannot open the lock file")?;
    let held = flock(&fd, FlockOperation::NonBlockingLockExclusive);
    let mut file = File::from(fd);
    match held {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            // Only for the message: an unreadable one still says what matters.
            drop((&file).take(PID_BYTES_MAX).read_to_string(&mut pid));
            let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
            return Err(Held { data_dir: data_dir.into(), pid }.into());
        }
        Err(error) => return Err(error).context("cannot lock the lock file"),
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Lock { _file: file })
}
