//! System calls that no library wraps safely.
#![expect(unsafe_code, reason = "clone3, mount_setattr, fsuid and btrfs ioctls have no safe wrapper")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::Context;
use rustix::process::{Pid, WaitOptions, WaitStatus};

/// The kernel's `struct clone_args`, first version.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// The kernel's `struct mount_attr`.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Forks into new PID, mount, network, IPC, UTS and cgroup namespaces. In the child the answer is `None`.
pub(super) fn clone_into_namespaces() -> anyhow::Result<Option<Pid>> {
    let flags = libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    fork(flags).context("clone3")
}

/// Forks without new namespaces.
pub(super) fn plain_fork() -> anyhow::Result<Option<Pid>> {
    fork(0).context("clone3")
}

fn fork(flags: libc::c_int) -> io::Result<Option<Pid>> {
    let args = CloneArgs {
        flags: u64::from(flags.cast_unsigned()),
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        ..CloneArgs::default()
    };
    // SAFETY: `args` is a valid `clone_args` of the size given; no stack and no shared memory is asked for, so this
    // is a fork. The floor is single-threaded, so the child may allocate.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::try_from(result).ok().and_then(Pid::from_raw))
}

/// Waits for a child to end.
pub(super) fn wait(pid: Pid) -> anyhow::Result<WaitStatus> {
    let ended = rustix::process::waitpid(Some(pid), WaitOptions::empty()).context("waitpid")?;
    ended.map(|(_, status)| status).context("waitpid answered nothing")
}

/// Sets attributes of a detached mount: `MOUNT_ATTR_*` bits, and the mapping of its ids where one is given.
pub(super) fn mount_setattr(
    mount: BorrowedFd<'_>,
    bits: u64,
    mapping: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let attr = MountAttr {
        attr_set: bits | mapping.map_or(0, |_| libc::MOUNT_ATTR_IDMAP),
        attr_clr: 0,
        propagation: 0,
        userns_fd: mapping.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
    };
    let empty: &CStr = c"";
    // SAFETY: `attr` is a valid `mount_attr` of the size given, both descriptors are open for the call, and the
    // path is a NUL-terminated string.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            empty.as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets the user and group that files are created as.
pub(super) fn set_fs_ids(id: u32) {
    // SAFETY: the calls take plain numbers; they always succeed or change nothing, which the following mount shows.
    unsafe {
        libc::setfsgid(id);
        libc::setfsuid(id);
    }
}

/// The kernel's `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct VolArgs {
    fd: i64,
    name: [u8; 4088],
}

/// The kernel's `struct btrfs_ioctl_qgroup_limit_args`.
#[repr(C)]
#[derive(Default)]
struct LimitArgs {
    /// 0: the group of the subvolume that the descriptor is in.
    group: u64,
    flags: u64,
    max_referenced: u64,
    max_exclusive: u64,
    reserved_referenced: u64,
    reserved_exclusive: u64,
}

const SUBVOL_CREATE: libc::c_ulong = 0x5000_940e;
const SNAP_DESTROY: libc::c_ulong = 0x5000_940f;
const QUOTA_CTL: libc::c_ulong = 0xc010_9428;
const QGROUP_LIMIT: libc::c_ulong = 0x8030_942b;
/// `BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA`.
const ENABLE_SIMPLE_QUOTA: u64 = 4;
/// `BTRFS_QGROUP_LIMIT_MAX_RFER`.
const LIMIT_REFERENCED: u64 = 1;

/// Creates a subvolume in a folder.
pub(super) fn subvolume_create(folder: impl AsFd, name: &str) -> io::Result<()> {
    volume_ioctl(folder.as_fd(), SUBVOL_CREATE, name)
}

/// Removes a subvolume from a folder.
pub(super) fn subvolume_remove(folder: impl AsFd, name: &str) -> io::Result<()> {
    volume_ioctl(folder.as_fd(), SNAP_DESTROY, name)
}

fn volume_ioctl(folder: BorrowedFd<'_>, request: libc::c_ulong, name: &str) -> io::Result<()> {
    let mut args = VolArgs { fd: 0, name: [0; 4088] };
    // One byte stays zero: the kernel wants the name terminated.
    let room = args
        .name
        .get_mut(..name.len())
        .filter(|room| room.len() < 4088)
        .ok_or(io::ErrorKind::InvalidInput)?;
    room.copy_from_slice(name.as_bytes());
    // SAFETY: the request reads one `btrfs_ioctl_vol_args`, which `args` is.
    let result = unsafe { libc::ioctl(folder.as_raw_fd(), request, &raw const args) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Turns simple quotas on (kernel 6.7 and later).
pub(super) fn enable_quota(folder: impl AsFd) -> io::Result<()> {
    let mut args = [ENABLE_SIMPLE_QUOTA, 0_u64];
    // SAFETY: the request reads and writes one `btrfs_ioctl_quota_ctl_args`: two 64-bit numbers.
    let result = unsafe { libc::ioctl(folder.as_fd().as_raw_fd(), QUOTA_CTL, args.as_mut_ptr()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Bounds the subvolume that the descriptor is in.
pub(super) fn limit_bytes(subvolume: impl AsFd, bytes: u64) -> io::Result<()> {
    let args = LimitArgs { flags: LIMIT_REFERENCED, max_referenced: bytes, ..LimitArgs::default() };
    // SAFETY: the request reads one `btrfs_ioctl_qgroup_limit_args`, which `args` is.
    let result = unsafe { libc::ioctl(subvolume.as_fd().as_raw_fd(), QGROUP_LIMIT, &raw const args) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Brings the loopback interface of this network namespace up.
pub(super) fn loopback_up() -> anyhow::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

    let socket =
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).context("socket")?;
    // SAFETY: all bytes zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).context("IFF_UP")?;
    // SAFETY: the request reads one `ifreq`, which `request` is.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result < 0 { Err(io::Error::last_os_error()).context("lo up") } else { Ok(()) }
}

/// Moves this process into a new user namespace.
pub(super) fn unshare_user() -> rustix::io::Result<()> {
    // SAFETY: only the user namespace changes; no descriptor table or memory is unshared, and no other thread exists.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER) }
}

/// Moves this process into a new network namespace.
pub(super) fn unshare_network() -> rustix::io::Result<()> {
    // SAFETY: only the network namespace changes, and no other thread exists.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
}
