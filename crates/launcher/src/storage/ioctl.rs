//! The few ioctls of btrfs and of loop devices that storage needs. Numbers and layouts are the kernel's
//! (`linux/btrfs.h`, `linux/loop.h`).
//!
//! JUSTIFICATION for unsafe: no safe wrapper of these exists.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};

use crate::sys;

const WRITE: libc::c_ulong = 0x4000_0000;
const READ: libc::c_ulong = 0x8000_0000;
const BTRFS: libc::c_ulong = 0x94 << 8;

const fn request<T>(direction: libc::c_ulong, number: libc::c_ulong) -> libc::c_ulong {
    direction | ((size_of::<T>() as libc::c_ulong) << 16) | BTRFS | number
}

/// `struct btrfs_ioctl_vol_args`: a name, ended by NUL.
#[repr(C)]
struct VolumeArguments {
    fd: i64,
    name: [u8; 4_088],
}

impl VolumeArguments {
    fn new(name: &str) -> Result<Self> {
        let mut arguments = Self { fd: 0, name: [0; 4_088] };
        if name.len() > 255 || name.contains('\0') {
            return Err(Errno::NAMETOOLONG);
        }
        arguments.name[..name.len()].copy_from_slice(name.as_bytes());
        Ok(arguments)
    }
}

/// Makes a subvolume in a folder.
pub(super) fn create_subvolume(parent: impl AsFd, name: &str) -> Result<()> {
    let mut arguments = VolumeArguments::new(name)?;
    // SAFETY: BTRFS_IOC_SUBVOL_CREATE takes a btrfs_ioctl_vol_args.
    unsafe { sys::ioctl(parent, request::<VolumeArguments>(WRITE, 14), &mut arguments) }.map(drop)
}

/// Makes a subvolume in a folder that begins as another one.
pub(super) fn snapshot_subvolume(source: impl AsFd, parent: impl AsFd, name: &str) -> Result<()> {
    let mut arguments = VolumeArguments::new(name)?;
    arguments.fd = i64::from(source.as_fd().as_raw_fd());
    // SAFETY: BTRFS_IOC_SNAP_CREATE takes a btrfs_ioctl_vol_args with the descriptor of the source, which outlives the call.
    unsafe { sys::ioctl(parent, request::<VolumeArguments>(WRITE, 1), &mut arguments) }.map(drop)
}

/// Removes a subvolume of a folder, with all that is in it; the kernel frees the space in the background.
pub(super) fn destroy_subvolume(parent: impl AsFd, name: &str) -> Result<()> {
    let mut arguments = VolumeArguments::new(name)?;
    // SAFETY: BTRFS_IOC_SNAP_DESTROY takes a btrfs_ioctl_vol_args.
    unsafe { sys::ioctl(parent, request::<VolumeArguments>(WRITE, 15), &mut arguments) }.map(drop)
}

/// Lets the file system grow to the size of its device.
pub(super) fn resize_to_device(filesystem: impl AsFd) -> Result<()> {
    let mut arguments = VolumeArguments::new("max")?;
    // SAFETY: BTRFS_IOC_RESIZE takes a btrfs_ioctl_vol_args.
    unsafe { sys::ioctl(filesystem, request::<VolumeArguments>(WRITE, 3), &mut arguments) }.map(drop)
}

/// `struct btrfs_ioctl_quota_ctl_args`.
#[repr(C)]
struct QuotaArguments {
    command: u64,
    status: u64,
}

/// Turns quotas on: simple ones (Linux 6.7 and later), else full ones.
pub(super) fn enable_quota(filesystem: impl AsFd) -> Result<()> {
    const ENABLE: u64 = 1;
    const ENABLE_SIMPLE: u64 = 4;
    let enable = |command| {
        let mut arguments = QuotaArguments { command, status: 0 };
        // SAFETY: BTRFS_IOC_QUOTA_CTL takes a btrfs_ioctl_quota_ctl_args.
        unsafe { sys::ioctl(&filesystem, request::<QuotaArguments>(WRITE | READ, 40), &mut arguments) }
            .map(drop)
    };
    match enable(ENABLE_SIMPLE) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(_) => match enable(ENABLE) {
            Err(Errno::EXIST) => Ok(()),
            other => other,
        },
    }
}

/// `struct btrfs_ioctl_qgroup_limit_args` with its `struct btrfs_qgroup_limit`.
#[repr(C)]
struct LimitArguments {
    group: u64,
    flags: u64,
    referenced_max: u64,
    exclusive_max: u64,
    referenced_reserved: u64,
    exclusive_reserved: u64,
}

/// Limits what the subvolume that `subvolume` is in may hold, in bytes.
pub(super) fn limit_subvolume(subvolume: impl AsFd, bytes: u64) -> Result<()> {
    const REFERENCED: u64 = 1;
    let mut arguments = LimitArguments {
        // 0: the subvolume of the descriptor.
        group: 0,
        flags: REFERENCED,
        referenced_max: bytes,
        exclusive_max: 0,
        referenced_reserved: 0,
        exclusive_reserved: 0,
    };
    // SAFETY: BTRFS_IOC_QGROUP_LIMIT takes a btrfs_ioctl_qgroup_limit_args.
    unsafe { sys::ioctl(subvolume, request::<LimitArguments>(READ, 43), &mut arguments) }.map(drop)
}

const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LOOP_SET_CAPACITY: libc::c_ulong = 0x4C07;
const LOOP_GET_STATUS64: libc::c_ulong = 0x4C05;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

const NO_INFO: LoopInfo = LoopInfo {
    device: 0,
    inode: 0,
    rdevice: 0,
    offset: 0,
    size_limit: 0,
    number: 0,
    encrypt_type: 0,
    encrypt_key_size: 0,
    flags: 0,
    file_name: [0; 64],
    crypt_name: [0; 64],
    encrypt_key: [0; 32],
    init: [0; 2],
};

/// A loop device and its path.
#[derive(Debug)]
pub(super) struct LoopDevice {
    pub(super) fd: OwnedFd,
    pub(super) path: String,
}

/// Attaches a file to a free loop device, which frees itself once nothing uses it. It keeps no second copy of the
/// file's pages where the file system below allows that.
pub(super) fn attach_loop(file: impl AsFd) -> Result<LoopDevice> {
    let control = rustix::fs::open("/dev/loop-control", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // Another process may take the free one between the two calls.
    for _attempt in 0..64 {
        let number = sys::ioctl_number(&control, LOOP_CTL_GET_FREE, 0)?;
        let path = format!("/dev/loop{number}");
        let fd = rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        for flags in [LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO, LO_FLAGS_AUTOCLEAR] {
            let mut config = LoopConfig {
                fd: file.as_fd().as_raw_fd().cast_unsigned(),
                block_size: 4_096,
                info: LoopInfo { flags, ..NO_INFO },
                reserved: [0; 8],
            };
            // SAFETY: LOOP_CONFIGURE takes a loop_config.
            match unsafe { sys::ioctl(&fd, LOOP_CONFIGURE, &mut config) } {
                Ok(_) => return Ok(LoopDevice { fd, path }),
                Err(Errno::BUSY) => break,
                Err(errno) if flags == LO_FLAGS_AUTOCLEAR => return Err(errno),
                Err(_) => {}
            }
        }
    }
    Err(Errno::BUSY)
}

/// Finds the loop device that a file is attached to already. To mount one file through two devices would destroy it.
pub(super) fn find_loop(file: impl AsFd) -> Result<Option<LoopDevice>> {
    let wanted = rustix::fs::fstat(file)?;
    for entry in std::fs::read_dir("/sys/block").map_err(|_| Errno::NOENT)?.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("loop")) else { continue };
        if !entry.path().join("loop").exists() {
            continue;
        }
        let path = format!("/dev/{name}");
        let Ok(fd) = rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) else { continue };
        let mut info = NO_INFO;
        // SAFETY: LOOP_GET_STATUS64 writes a loop_info64.
        let found = unsafe { sys::ioctl(&fd, LOOP_GET_STATUS64, &mut info) };
        if found.is_ok() && info.inode == wanted.st_ino && info.device == wanted.st_dev {
            return Ok(Some(LoopDevice { fd, path }));
        }
    }
    Ok(None)
}

/// Tells a loop device that its file has grown.
pub(super) fn refresh_loop(device: &LoopDevice) -> Result<()> {
    sys::ioctl_number(&device.fd, LOOP_SET_CAPACITY, 0).map(drop)
}
