//! Control groups of one sandbox, with the limits that Atoll sets by default.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

const ROOT: &str = "/sys/fs/cgroup";
/// Our own folder in each hierarchy.
const FAMILY: &str = "atoll-bench";
/// How long the kernel may take to let go of a killed sandbox.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The limits of version 1: hierarchy, file, value.
const LIMITS_V1: [(&str, &str, &str); 4] = [
    ("cpu", "cpu.cfs_quota_us", "100000"),
    ("memory", "memory.limit_in_bytes", "536870912"),
    ("pids", "pids.max", "512"),
    ("freezer", "freezer.state", "THAWED"),
];
/// The limits of version 2: file, value.
const LIMITS_V2: [(&str, &str); 4] = [
    ("cpu.max", "100000 100000"),
    ("memory.max", "536870912"),
    ("memory.swap.max", "0"),
    ("pids.max", "512"),
];

/// The folders of one sandbox: one per hierarchy.
pub(super) struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    pub(super) fn create(name: &str) -> anyhow::Result<Self> {
        let mut folders = Vec::new();
        if Path::new(ROOT).join("cgroup.controllers").exists() {
            let folder = make(&Path::new(ROOT).join(FAMILY), name)?;
            for (file, value) in LIMITS_V2 {
                set(&folder.join(file), value)?;
            }
            folders.push(folder);
            return Ok(Self { folders });
        }
        for (hierarchy, file, value) in LIMITS_V1 {
            let folder = make(&Path::new(ROOT).join(hierarchy).join(FAMILY), name)?;
            set(&folder.join(file), value)?;
            folders.push(folder);
        }
        Ok(Self { folders })
    }

    /// Moves the calling process in.
    pub(super) fn enter(&self) -> anyhow::Result<()> {
        self.folders.iter().try_for_each(|folder| set(&folder.join("cgroup.procs"), "0"))
    }

    pub(super) fn remove(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + REMOVE_TIMEOUT;
        for folder in &self.folders {
            while std::fs::remove_dir(folder).is_err() {
                ensure!(Instant::now() < deadline, "{} stays busy", folder.display());
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }
}

/// Prepares the family's folders; not timed.
pub(super) fn prepare() -> anyhow::Result<()> {
    if Path::new(ROOT).join("cgroup.controllers").exists() {
        set(&Path::new(ROOT).join("cgroup.subtree_control"), "+cpu +memory +pids")?;
        let family = Path::new(ROOT).join(FAMILY);
        std::fs::create_dir_all(&family).context("creating the family's cgroup")?;
        return set(&family.join("cgroup.subtree_control"), "+cpu +memory +pids");
    }
    for (hierarchy, ..) in LIMITS_V1 {
        std::fs::create_dir_all(Path::new(ROOT).join(hierarchy).join(FAMILY)).context("creating a cgroup")?;
    }
    Ok(())
}

/// Removes the family's folders, and what a failed run has left in them. Best effort: another run may use them.
pub(super) fn tear_down() {
    for hierarchy in LIMITS_V1.map(|(hierarchy, ..)| hierarchy).into_iter().chain([""]) {
        let family = Path::new(ROOT).join(hierarchy).join(FAMILY);
        for left in std::fs::read_dir(&family).into_iter().flatten().flatten() {
            std::fs::remove_dir(left.path()).ok();
        }
        std::fs::remove_dir(family).ok();
    }
}

fn make(family: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let folder = family.join(name);
    std::fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

fn set(file: &Path, value: &str) -> anyhow::Result<()> {
    let mut open =
        OpenOptions::new().write(true).open(file).with_context(|| format!("opening {}", file.display()))?;
    open.write_all(value.as_bytes()).with_context(|| format!("writing {value} into {}", file.display()))
}
