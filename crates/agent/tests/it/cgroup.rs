//! A control group of one's own, version 1 or 2.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Removed when dropped, once it is empty.
#[derive(Debug)]
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// With a limit of processes.
    pub(crate) fn with_pids_max(max: u32) -> Self {
        let version_1 = Path::new("/sys/fs/cgroup/pids");
        let root = if version_1.exists() { version_1 } else { Path::new("/sys/fs/cgroup") };
        if root != version_1 {
            std::fs::write(root.join("cgroup.subtree_control"), "+pids").unwrap();
        }
        let path = root.join(format!("atoll-agent-test-{}-{max}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("pids.max"), max.to_string()).unwrap();
        Self(path)
    }

    pub(crate) fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }

    pub(crate) fn procs(&self) -> String {
        self.0.join("cgroup.procs").to_str().unwrap().to_owned()
    }

    pub(crate) fn pids(&self) -> u32 {
        std::fs::read_to_string(self.0.join("pids.current")).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..200 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
