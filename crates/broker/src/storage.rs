//! Whether Docker can limit what a container writes.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bollard::models::SystemInfo;

/// Name of the driver in whose limit the image counts too.
pub(crate) const BTRFS: &str = "btrfs";
/// Bytes of the kernel's table of mounts that are read: thousands of mounts.
const MOUNTS_BYTES_MAX: u64 = 4 << 20;

/// Whether it can. Docker does not say whether the file system below `overlay2` has project quotas; where it is on this machine the
/// kernel does.
pub(crate) fn limits_disk(said: &SystemInfo, is_near: bool) -> bool {
    match said.driver.as_deref() {
        Some(BTRFS | "zfs") => true,
        Some("overlay2") => is_near && is_xfs(said) && has_project_quotas(said),
        _ => false,
    }
}

fn is_xfs(said: &SystemInfo) -> bool {
    let told = said.driver_status.iter().flatten();
    told.into_iter().any(|pair| pair.iter().map(String::as_str).eq(["Backing Filesystem", "xfs"]))
}

fn has_project_quotas(said: &SystemInfo) -> bool {
    let mut mounts = String::new();
    let read = File::open("/proc/self/mountinfo")
        .and_then(|file| file.take(MOUNTS_BYTES_MAX).read_to_string(&mut mounts));
    let root = said.docker_root_dir.as_deref().unwrap_or_default();
    read.is_ok() && is_quota_mount(&mounts, Path::new(root))
}

/// Whether what holds a folder is mounted with project quotas.
fn is_quota_mount(mounts: &str, folder: &Path) -> bool {
    let options = mounts.lines().filter_map(|line| {
        let point = Path::new(line.split(' ').nth(4)?);
        let options = line.rsplit(' ').next()?;
        folder.starts_with(point).then(|| (point.components().count(), options))
    });
    // Of two on one another the later one counts.
    let deepest = options.max_by_key(|(depth, _)| *depth);
    deepest.is_some_and(|(_, options)| options.split(',').any(|one| one == "prjquota" || one == "pquota"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(driver: &str, below: &str) -> SystemInfo {
        SystemInfo {
            driver: Some(driver.to_owned()),
            driver_status: Some(vec![vec!["Backing Filesystem".to_owned(), below.to_owned()]]),
            docker_root_dir: Some("/nowhere".to_owned()),
            ..SystemInfo::default()
        }
    }

    #[test]
    fn the_driver_says_whether_a_disk_can_be_limited() {
        assert!(limits_disk(&said("btrfs", "x"), false) && limits_disk(&said("zfs", "x"), true));
        assert!(!limits_disk(&said("overlay2", "extfs"), true) && !limits_disk(&said("vfs", "xfs"), true));
        assert!(!limits_disk(&said("overlay2", "xfs"), false));
        assert!(is_xfs(&said("overlay2", "xfs")) && !is_xfs(&said("overlay2", "extfs")));
    }

    #[test]
    fn the_mount_that_holds_a_folder_counts() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/a rw,prjquota\n\
                      2 1 8:2 / /data rw - xfs /dev/b rw,attr2,prjquota\n\
                      3 1 8:3 / /data/plain rw - xfs /dev/c rw,noquota\n\
                      4 1 8:3 / /dat rw - xfs /dev/c rw,noquota\n";
        let is = |folder: &str| is_quota_mount(mounts, Path::new(folder));
        assert!(is("/data/docker") && is("/data") && is("/elsewhere"));
        assert!(!is("/data/plain/docker") && !is("/dat/a"));
        assert!(!is_quota_mount("", Path::new("/data")));
    }
}
