//! Where one installation lives, and how all of it goes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atoll_doctor::{Doctor, Records};

use rustix::mount::{UnmountFlags, unmount};

use super::disk::{Disk, Format};
use super::until;

/// Bytes of the log that a failed test shows.
const LOG_TAIL_BYTES: usize = 8 << 10;

/// A mount is free when the last process that used it is gone.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(10);

/// A folder under `/tmp`. Dropped before `is_clean`, it shows the log and removes everything by force.
#[derive(Debug)]
pub(super) struct Place {
    folder: Option<tempfile::TempDir>,
    pub(super) disk: Option<Disk>,
    pub(super) data: PathBuf,
    pub(super) flags: Vec<String>,
}

impl Place {
    /// On a disk of its own where one is asked for: its format and its bytes.
    pub(super) fn new(flags: &[&str], disk: Option<(Format, u64)>) -> Self {
        let folder = tempfile::Builder::new().prefix("atoll-system-").tempdir_in("/tmp").unwrap();
        // The unprivileged server must be able to pass.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let disk = disk.map(|(format, bytes)| Disk::new(folder.path(), format, bytes));
        let data = disk.as_ref().map_or_else(|| folder.path(), |disk| &disk.point).join("data");
        Self {
            folder: Some(folder),
            disk,
            data,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    /// Takes the disk with the storage on it away, and mounts it again.
    pub(super) async fn mount_again(&self) {
        let pool = self.data.join("native/pool");
        for point in [&pool, &self.disk.as_ref().unwrap().point] {
            // The last process that uses it may still be ending.
            until("the unmount", UNMOUNT_PATIENCE, async || unmount(point, UnmountFlags::NOFOLLOW).ok())
                .await;
        }
        self.disk.as_ref().unwrap().mount();
    }

    /// Nothing is left on the host: the folder goes, and must be able to.
    pub(super) fn is_clean(&mut self) {
        if let Some(disk) = self.disk.take() {
            disk.unmount();
        }
        self.folder.take().unwrap().close().unwrap();
    }

    fn remove_by_force(&self) {
        let Ok(doctor) = Doctor::open(&self.data) else { return };
        // Twice: groups are free when their processes are gone, the storage when nothing uses it.
        for _round in 0..2 {
            let Ok(report) = doctor.examine(|| Ok::<_, std::convert::Infallible>(Records::default())) else {
                return;
            };
            for finding in &report.findings {
                if let Err(error) = doctor.fix(finding) {
                    eprintln!("left behind: {} ({error:?})", finding.name);
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        let log = std::fs::read(folder.path().join("log")).unwrap_or_default();
        eprintln!(
            "--- end of the log\n{}---",
            String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..])
        );
        self.remove_by_force();
        drop(self.disk.take());
        // `TempDir` removes the rest; a mount that is left makes it fail, and was told above.
    }
}
