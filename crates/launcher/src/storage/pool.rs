//! Finds or makes the pool.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fstat, fstatfs, openat};
use rustix::io::Errno;
use rustix::mount::MountFlags;

use super::Kind;
use super::ioctl::{self, LoopDevice};
use super::room::{RESERVE_BYTES, host_free_bytes};
use crate::house::{DIRECTORY, make_dir};
use crate::report::{At, Step, StepError, log};

/// `f_type` of btrfs.
const BTRFS_MAGIC: u64 = 0x9123_683E;

/// Size of a new image, in bytes: a few sandboxes fill it; it grows ahead of use.
const IMAGE_BYTES: u64 = 4 << 30;

/// Smallest image that is worth it, in bytes: below, plain folders serve.
const IMAGE_BYTES_MIN: u64 = 512 << 20;

/// Our image file and the device it is attached to.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) file: OwnedFd,
    pub(super) device: LoopDevice,
}

/// Opens the pool below `native`, which is `data_dir/native`.
pub(super) fn open(native: &OwnedFd, data_dir: &Path) -> Result<(Kind, OwnedFd), StepError> {
    let plain = make_dir(native, "pool", 0o700)?;
    if is_btrfs(&plain) && !is_mounted(native, &plain)? {
        // The host's own file system is btrfs: its subvolumes serve, and its quotas where they can be had.
        let limits = enable_limits(&plain);
        return Ok((Kind::Btrfs { limits, image: None }, plain));
    }
    match open_image(native, data_dir) {
        Ok(Some((image, pool))) => {
            let limits = enable_limits(&pool);
            Ok((Kind::Btrfs { limits, image: Some(image) }, pool))
        }
        Ok(None) => Ok((Kind::Plain, plain)),
        // Only a pool that never was may be replaced by plain folders: else its sandboxes would seem lost.
        Err(error) if has_image(native) && error.step != Step::MakePool => Err(error),
        Err(error) => {
            log(&format!("no btrfs, so no disk limits: {error}"));
            Ok((Kind::Plain, plain))
        }
    }
}

/// Turns quotas on; whether limits hold from here on.
fn enable_limits(pool: &OwnedFd) -> bool {
    let enabled = ioctl::enable_quota(pool);
    if let Err(errno) = enabled {
        log(&format!("no quotas in btrfs, so no disk limits: {errno}"));
    }
    enabled.is_ok()
}

fn is_btrfs(dir: &OwnedFd) -> bool {
    fstatfs(dir).is_ok_and(|stat| u64::try_from(stat.f_type).is_ok_and(|kind| kind == BTRFS_MAGIC))
}

/// Whether something is mounted on the pool: then it is another device than its parent.
fn is_mounted(native: &OwnedFd, pool: &OwnedFd) -> Result<bool, StepError> {
    let (outer, inner) = (fstat(native).at(Step::MountPool)?, fstat(pool).at(Step::MountPool)?);
    Ok(outer.st_dev != inner.st_dev)
}

fn has_image(native: &OwnedFd) -> bool {
    rustix::fs::accessat(native, "pool.img", rustix::fs::Access::EXISTS, rustix::fs::AtFlags::empty()).is_ok()
}

/// Opens our image, made and mounted where it is not yet; `None` where there is no room or no tool for one.
fn open_image(native: &OwnedFd, data_dir: &Path) -> Result<Option<(Image, OwnedFd)>, StepError> {
    if !has_image(native) && !make_image(native, data_dir)? {
        return Ok(None);
    }
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(native, "pool.img", flags, Mode::empty()).at(Step::AttachPool)?;
    let device = match ioctl::find_loop(&file).at(Step::AttachPool)? {
        Some(device) => device,
        None => ioctl::attach_loop(&file).at(Step::AttachPool)?,
    };
    let pool = openat(native, "pool", DIRECTORY, Mode::empty()).at(Step::MountPool)?;
    if !is_mounted(native, &pool)? {
        mount(&device, data_dir)?;
    }
    let pool = openat(native, "pool", DIRECTORY, Mode::empty()).at(Step::MountPool)?;
    Ok(Some((Image { file, device }, pool)))
}

/// Mounts the pool in the host's namespace, where the next launcher finds it.
fn mount(device: &LoopDevice, data_dir: &Path) -> Result<(), StepError> {
    // A set-uid file of a sandbox is a real one on the host's path, a device node is a real device.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
    // No discard: it would punch holes into the image, whose room is taken ahead of use.
    let options = CString::new("nodiscard").map_err(|_| Errno::INVAL).at(Step::MountPool)?;
    rustix::mount::mount(&*device.path, data_dir.join("native/pool"), "btrfs", flags, options.as_c_str())
        .at(Step::MountPool)
}

/// Makes the image under another name first: a file called `pool.img` is always a whole file system.
fn make_image(native: &OwnedFd, data_dir: &Path) -> Result<bool, StepError> {
    let spare = host_free_bytes(native)?.saturating_sub(RESERVE_BYTES);
    let bytes = IMAGE_BYTES.min(spare / 2);
    if bytes < IMAGE_BYTES_MIN {
        log("no room for a storage image, so no disk limits");
        return Ok(false);
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = openat(native, "pool.img.new", flags, Mode::from_raw_mode(0o600)).at(Step::MakePool)?;
    fallocate(&file, FallocateFlags::empty(), 0, bytes).at(Step::MakePool)?;
    let made = Command::new("mkfs.btrfs")
        .args([
            "--quiet",
            "--force",
            "--nodiscard",
            "--data",
            "single",
            "--metadata",
            "single",
            "--label",
            "atoll",
        ])
        .arg(data_dir.join("native/pool.img.new"))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .at(Step::MakePool)?;
    if !made.success() {
        return Err(StepError { step: Step::MakePool, errno: Errno::IO });
    }
    rustix::fs::fsync(&file).at(Step::MakePool)?;
    rustix::fs::renameat(native, "pool.img.new", native, "pool.img").at(Step::MakePool)?;
    Ok(true)
}
