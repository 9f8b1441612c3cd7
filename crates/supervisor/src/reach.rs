//! Whether serve's user can reach the data folder.
//!
//! Serve is given descriptors of its folders, but SQLite resolves every path to its real one and opens that, so each
//! folder above must let serve pass.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{WaitOptions, waitpid};

use crate::child::drop_privileges;
use crate::sys::{self, Fork};

/// Serve cannot pass a folder above its own.
#[derive(Debug, thiserror::Error)]
#[error("user {uid}, as whom serve runs, cannot pass {}: chmod o+x it, or choose another --data-dir", path.display())]
pub(crate) struct Unreachable {
    path: PathBuf,
    uid: u32,
}

/// What the probing process ends with when it could not even try.
const NOT_TRIED: i32 = 254;
/// Folders above that are looked at; deeper paths are not checked further.
const DEPTH_MAX: usize = 250;

/// Tries it in a process with serve's ids, so that the kernel decides, with access lists and all.
pub(crate) fn check(data_dir: &Path, uid: u32, gid: u32) -> anyhow::Result<()> {
    let real = std::fs::canonicalize(data_dir).context("cannot resolve the data folder's path")?;
    let mut paths: Vec<PathBuf> = real.ancestors().take(DEPTH_MAX).map(Path::to_path_buf).collect();
    paths.reverse();
    match sys::fork().context("cannot fork")? {
        Fork::Child => sys::exit_now(probe(&paths, uid, gid)),
        Fork::Parent(pid) => {
            let status =
                waitpid(Some(pid), WaitOptions::empty())?.and_then(|(_, status)| status.exit_status());
            match status {
                Some(0) => Ok(()),
                Some(n) if n != NOT_TRIED => {
                    let path =
                        usize::try_from(n - 1).ok().and_then(|n| paths.get(n)).cloned().unwrap_or_default();
                    Err(Unreachable { path, uid }.into())
                }
                _ => anyhow::bail!("cannot try as user {uid} whether {} can be reached", data_dir.display()),
            }
        }
    }
}

/// 0, or the number of the first folder that cannot be passed, counted from 1.
fn probe(paths: &[PathBuf], uid: u32, gid: u32) -> i32 {
    if drop_privileges(uid, gid, &[]).is_err() {
        return NOT_TRIED;
    }
    // To look up "." in a folder needs the same right as to pass it.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let blocked = paths.iter().position(|path| openat(CWD, path.join("."), flags, Mode::empty()).is_err());
    blocked.map_or(0, |n| i32::try_from(n + 1).unwrap_or(NOT_TRIED))
}
