//! System calls that rustix does not wrap: one function each, nothing else.
//!
//! JUSTIFICATION for unsafe: clone3 that returns twice, and calls with structures of the kernel that no safe wrapper has.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::{Errno, Result};
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Which of the two processes returned from [`clone3`].
#[derive(Debug)]
pub(crate) enum Cloned {
    /// The new process.
    Child,
    /// The caller, with the child's number in the caller's namespace and its pidfd.
    Parent {
        /// Number of the child.
        pid: Pid,
        /// Descriptor of the child.
        pidfd: OwnedFd,
    },
}

fn check(returned: libc::c_long) -> Result<libc::c_long> {
    if returned < 0 {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    } else {
        Ok(returned)
    }
}

/// Makes a child in new namespaces (`flags`: CLONE_NEW…). The child must end in [`exec_descriptor`] or [`exit_now`]:
/// everything of the parent, its state and its stack, is copied into it.
pub(crate) fn clone3(flags: libc::c_int) -> Result<Cloned> {
    let mut pidfd: libc::c_int = -1;
    let all_flags = u64::from((flags | libc::CLONE_PIDFD).cast_unsigned());
    let arguments = libc::clone_args {
        flags: all_flags,
        pidfd: ptr::from_mut(&mut pidfd).addr() as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    // SAFETY: the structure and its size belong together; `pidfd` outlives the call. Without CLONE_VM and a stack, the
    // child goes on with a copy of this memory. This program has one thread, so no lock is held by a thread that the
    // child lacks, and it may allocate.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone3, ptr::from_ref(&arguments), size_of::<libc::clone_args>())
    })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::RANGE)?;
    // SAFETY: the kernel stored a new descriptor there, which nothing else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent { pid, pidfd })
}

/// Ends the process without running any destructor: those of a child are copies of its parent's.
pub(crate) fn exit_now(code: libc::c_int) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Moves this process into new namespaces.
pub(crate) fn unshare(namespaces: UnshareFlags) -> Result<()> {
    debug_assert!(!namespaces.contains(UnshareFlags::FILES));
    // SAFETY: the descriptor table stays shared or not as it was; this program has one thread.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }
}

/// Changes the attributes (`MOUNT_ATTR_…`) of the one mount that `mount` is the root of, and makes it nobody's peer: a clone shares
/// what is mounted in it with what it was cloned of, which mostly is the host's. With a user namespace, shows its files through that
/// namespace's id mapping.
pub(crate) fn mount_setattr(
    mount: impl AsFd,
    set: u64,
    user_namespace: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let attributes = libc::mount_attr {
        attr_set: if user_namespace.is_some() { set | libc::MOUNT_ATTR_IDMAP } else { set },
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: user_namespace.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
    };
    // SAFETY: the structure, its size and the empty path outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            ptr::from_ref(&attributes),
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Sets the ids that file accesses are checked with. The kernel reports no error: a second call tells what holds.
pub(crate) fn set_fs_ids(uid: u32, gid: u32) -> Result<()> {
    // SAFETY: these calls take plain numbers.
    let now = unsafe {
        libc::syscall(libc::SYS_setfsgid, gid);
        libc::syscall(libc::SYS_setfsuid, uid);
        (libc::syscall(libc::SYS_setfsuid, u32::MAX), libc::syscall(libc::SYS_setfsgid, u32::MAX))
    };
    if now == (i64::from(uid), i64::from(gid)) { Ok(()) } else { Err(Errno::PERM) }
}

/// The number from which on there are descriptors of one running sandbox each, which no child needs. All others are far fewer. A whole
/// word of the kernel's map of full words: kernels before 6.11 copy a part of one with too much in it (CVE-2024-45025).
const OF_SANDBOXES: libc::c_int = 4_096;

/// Moves a descriptor to a number that children made with CLONE_FILES do not copy, as long as the process may have such numbers.
pub(crate) fn raise(fd: OwnedFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(&fd, OF_SANDBOXES).unwrap_or(fd)
}

/// Whether [`copy_descriptors`] copies all of these.
pub(crate) fn are_copied<'fd>(mut all: impl Iterator<Item = BorrowedFd<'fd>>) -> bool {
    all.all(|fd| fd.as_raw_fd() < OF_SANDBOXES)
}

/// Gives a child that shares the descriptors of its parent (CLONE_FILES) copies of its own, of those below [`OF_SANDBOXES`] alone: to
/// copy a thousand more, and to close them again when it executes, takes half a millisecond.
pub(crate) fn copy_descriptors() -> Result<()> {
    // SAFETY: nothing of this child owns a descriptor of those that it does not get.
    check(unsafe {
        libc::syscall(libc::SYS_close_range, OF_SANDBOXES, u32::MAX, libc::CLOSE_RANGE_UNSHARE)
    })?;
    Ok(())
}

/// Marks every descriptor from `first` on close-on-exec.
pub(crate) fn close_on_exec_from(first: u32) -> Result<()> {
    // SAFETY: only flags change; no descriptor is closed under its owner.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })?;
    Ok(())
}

/// Puts a copy of a descriptor at a number, open across exec. What was there is closed.
pub(crate) fn duplicate_to(fd: impl AsFd, number: libc::c_int) -> Result<()> {
    // SAFETY: only called in children before exec; whoever owned `number` there never runs again.
    check(unsafe { libc::syscall(libc::SYS_dup3, fd.as_fd().as_raw_fd(), number, 0) })?;
    Ok(())
}

/// Executes the program of a descriptor; returns only when that failed.
pub(crate) fn exec_descriptor(program: impl AsFd, arguments: &[CString], environment: &[CString]) -> Errno {
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end in null, and they and their texts outlive the call.
    let returned = check(unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_fd().as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    });
    returned.err().unwrap_or(Errno::INVAL)
}

/// Leaves the session keyring of the launcher for a fresh one.
pub(crate) fn join_new_session_keyring() -> Result<()> {
    // SAFETY: a null name asks for an anonymous keyring.
    check(unsafe {
        libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, ptr::null::<libc::c_char>())
    })?;
    Ok(())
}

/// The number of the process that is, or at the time of connecting was, the peer; none where it has none here, which rustix does not
/// expect of the kernel.
pub(crate) fn peer_pid(socket: impl AsFd) -> Result<Option<Pid>> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = libc::socklen_t::try_from(size_of::<libc::ucred>()).map_err(|_| Errno::RANGE)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel writes no more than the structure, which lives through the call.
    check(unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            ptr::from_mut(&mut peer).cast(),
            &raw mut size,
        )
        .into()
    })?;
    Ok(Pid::from_raw(peer.pid))
}

/// Blocks a signal and gives a descriptor that becomes readable when it comes.
pub(crate) fn signal_descriptor(signal: libc::c_int) -> Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset before it is read; -1 asks for a new descriptor.
    let fd = check(unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK).into()
    })?;
    // SAFETY: just made, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).map_err(|_| Errno::RANGE)?) })
}

/// Gives every signal its default action and blocks none: exec keeps ignored signals ignored, and Rust ignores PIPE.
pub(crate) fn reset_signals() -> Result<()> {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL runs no code. The calls for KILL, STOP and the C library's own two fail, as they may.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: `set` is initialised by sigemptyset before it is read.
    let returned = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut())
    };
    check(returned.into())?;
    Ok(())
}

/// Puts a filter on this thread for good. Needs `no_new_privs`.
pub(crate) fn install_filter(filter: &[libc::sock_filter]) -> Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, of the length that is said, and does not write to it.
    check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, ptr::from_ref(&program))
    })?;
    Ok(())
}

/// Brings the loopback interface of this network namespace up.
pub(crate) fn loopback_up() -> Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags =
        libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).map_err(|_| Errno::INVAL)?;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, ptr::from_ref(&request)) }.into())?;
    Ok(())
}

/// An ioctl that reads and perhaps writes one structure.
///
/// # Safety
/// `request` must take a pointer to exactly a `T`, in which every bit pattern that the kernel may write is valid.
pub(crate) unsafe fn ioctl<T>(
    fd: impl AsFd,
    request: libc::c_ulong,
    argument: &mut T,
) -> Result<libc::c_int> {
    // SAFETY: by this function's contract.
    let returned = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request, ptr::from_mut(argument)) };
    check(returned.into())?;
    Ok(returned)
}

/// An ioctl whose argument is a number or none.
pub(crate) fn ioctl_number(
    fd: impl AsFd,
    request: libc::c_ulong,
    number: libc::c_ulong,
) -> Result<libc::c_int> {
    // SAFETY: the requests that are used with this (loop control) take numbers, no pointers.
    let returned = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request, number) };
    check(returned.into())?;
    Ok(returned)
}

/// Takes the descriptor of that number, which the starter of this program left open.
pub(crate) fn take_inherited(number: libc::c_int) -> Result<OwnedFd> {
    // SAFETY: F_GETFD takes no pointer.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    // SAFETY: it is open, as the call before showed, and only `main` takes it, once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
