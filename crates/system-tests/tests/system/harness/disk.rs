//! A file system of its own for one installation: an image file without content, mounted through a loop device.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};

/// Name of the file that takes the room away.
const BALLAST: &str = "ballast";

/// What the disk is formatted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Ext4,
    /// With no quotas; Atoll turns on its own.
    Btrfs,
    /// With full quotas, as kernels before 6.7 have them.
    BtrfsFullQuotas,
    /// With no quotas, as it is mounted where nobody asks for them.
    Xfs,
}

/// A disk that is mounted.
#[derive(Debug)]
pub(crate) struct Disk {
    image: PathBuf,
    /// Where it is mounted.
    pub(crate) point: PathBuf,
}

fn run(program: &str, words: &[&str]) {
    let done = Command::new(program).args(words).output().unwrap();
    assert!(done.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Disk {
    /// Makes and mounts a disk in a folder.
    pub(super) fn new(folder: &Path, format: Format, bytes: u64) -> Self {
        let (image, point) = (folder.join("disk.img"), folder.join("disk"));
        File::create(&image).unwrap().set_len(bytes).unwrap();
        std::fs::create_dir(&point).unwrap();
        let name = image.to_str().unwrap();
        match format {
            Format::Ext4 => run("mkfs.ext4", &["-q", "-m", "0", "-E", "lazy_itable_init=1", name]),
            Format::Btrfs | Format::BtrfsFullQuotas => run("mkfs.btrfs", &["--quiet", name]),
            Format::Xfs => run("mkfs.xfs", &["-q", name]),
        }
        let this = Self { image, point };
        this.mount();
        if format == Format::BtrfsFullQuotas {
            run("btrfs", &["quota", "enable", this.point.to_str().unwrap()]);
        }
        this
    }

    /// Mounts it, so that what is mounted on it is seen in every namespace that sees the disk.
    pub(crate) fn mount(&self) {
        run("mount", &["-o", "loop", self.image.to_str().unwrap(), self.point.to_str().unwrap()]);
        mount_change(&self.point, MountPropagationFlags::SHARED).unwrap();
        assert!(is_mounted(&self.point));
    }

    /// Unmounts it; its loop device goes with it.
    pub(crate) fn unmount(&self) {
        unmount(&self.point, UnmountFlags::NOFOLLOW).unwrap();
    }

    /// From here on nothing reaches the disk, not even what its journal holds; everybody who writes is told of an error.
    pub(crate) fn cut_power(&self) {
        // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
        let script = "import fcntl, os, struct, sys\n\
                      fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
        run("python3", &["-c", script, self.point.to_str().unwrap()]);
    }

    /// Free bytes for whoever is not root.
    pub(crate) fn free_bytes(&self) -> u64 {
        let stat = statvfs(&self.point).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Takes all room but `left` bytes away.
    pub(crate) fn fill(&self, left: u64) {
        let ballast = File::options().create(true).append(true).open(self.point.join(BALLAST)).unwrap();
        while let free @ 1.. = self.free_bytes().saturating_sub(left) {
            let size = ballast.metadata().unwrap().len();
            // The file system's own lists take some of it: the last part in smaller steps.
            let taken = [free, free / 2, 4_096].iter().any(|step| {
                fallocate(ballast.as_fd(), FallocateFlags::empty(), size, (*step).max(1)).is_ok()
            });
            if !taken {
                break;
            }
        }
    }

    /// Gives the room back.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.point.join(BALLAST)).unwrap();
    }
}

fn is_mounted(point: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(4) == point.to_str())
}

impl Drop for Disk {
    fn drop(&mut self) {
        if is_mounted(&self.point)
            && let Err(error) = unmount(&self.point, UnmountFlags::NOFOLLOW)
        {
            eprintln!("left behind: {} ({error})", self.point.display());
        }
    }
}
