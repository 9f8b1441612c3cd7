//! Every system call of the agent that needs `unsafe`, and nothing else that does.
//!
//! [`spare`] holds the one delicate thing, what a child does between fork and exec; here are the small ones.
#![expect(
    unsafe_code,
    reason = "fork, inherited descriptors and the allocator's controls have no safe interface"
)]

mod child;
mod nursery;
mod places;
mod request;
mod spare;
mod thread;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::process::Pid;
use tokio::io::unix::AsyncFd;

pub(crate) use child::Rules;
pub(crate) use spare::{OutputPipe, RawSpare, UnbornSpare, ask_for_spare, fork_spare, note_heap_floor};
pub(crate) use thread::start_thread;

/// The listening socket, as the launcher leaves it.
const LISTENER_FD: RawFd = 3;
/// Of the `cgroup.procs` files, the first.
const CGROUP_FD_FIRST: RawFd = 4;
/// Most `cgroup.procs` files: one for each hierarchy of cgroup v1.
pub(crate) const CGROUP_FDS_MAX: usize = 16;

/// What the launcher left open.
#[derive(Debug)]
pub(crate) struct Inherited {
    /// A listening Unix stream socket.
    pub(crate) listener: OwnedFd,
    /// `cgroup.procs` files of the workload's cgroup; writing `0` moves the writer.
    pub(crate) cgroups: Vec<OwnedFd>,
}

/// Takes the inherited descriptors and marks each as close-on-exec. Called once, before any other is opened.
pub(crate) fn take_inherited(cgroup_fds: usize) -> io::Result<Inherited> {
    let take = |fd: RawFd| -> io::Result<OwnedFd> {
        // SAFETY: only borrowed for the call, which fails where the number is not open.
        rustix::io::fcntl_setfd(unsafe { BorrowedFd::borrow_raw(fd) }, rustix::io::FdFlags::CLOEXEC)?;
        // SAFETY: it is open, and nothing else in this process owns it: the numbers are the launcher's contract,
        // and this runs once, before anything of ours is opened.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    let last = CGROUP_FD_FIRST.saturating_add(i32::try_from(cgroup_fds).unwrap_or(i32::MAX));
    Ok(Inherited {
        listener: take(LISTENER_FD)?,
        cgroups: (CGROUP_FD_FIRST..last).map(take).collect::<io::Result<_>>()?,
    })
}

/// Standard input and output, under numbers of their own that no child keeps. In their place, and in that of the
/// listening socket, comes `/dev/null`: the low numbers stay taken, and nothing that is inherited leads out. Called once,
/// before any other descriptor is opened.
pub(crate) fn take_standard_streams() -> io::Result<[OwnedFd; 2]> {
    let take = |fd: RawFd| -> io::Result<OwnedFd> {
        // SAFETY: only borrowed for the call, which fails where the number is not open.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        let taken = rustix::io::fcntl_dupfd_cloexec(borrowed, CGROUP_FD_FIRST)?;
        // Whoever has the other ends has files of their own: only ours stop waiting.
        let flags = rustix::fs::fcntl_getfl(&taken)?;
        rustix::fs::fcntl_setfl(&taken, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(taken)
    };
    let streams = [take(libc::STDIN_FILENO)?, take(libc::STDOUT_FILENO)?];
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let null = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?;
    for fd in 0..=LISTENER_FD {
        // SAFETY: nothing in this process owns these numbers but the C library's names for them; what it leaves there is
        // as open as before.
        if fd != null.as_raw_fd() && unsafe { libc::dup3(null.as_raw_fd(), fd, libc::O_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    if null.as_raw_fd() <= LISTENER_FD {
        // It is one of them.
        let _kept = null.into_raw_fd();
    }
    Ok(streams)
}

/// The channel that a child was started through and kept; see [`crate::launch::FLAG_KEEP_CHANNEL`]. Called once, before
/// any other descriptor is opened.
pub(crate) fn take_kept_channel() -> io::Result<OwnedFd> {
    // SAFETY: only borrowed for the call, which fails where the number is not open.
    let channel = unsafe { BorrowedFd::borrow_raw(child::REQUEST_FD) };
    rustix::io::fcntl_setfd(channel, rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and nothing else in this process owns it: the number is the contract between a helper and
    // the child that became it.
    Ok(unsafe { OwnedFd::from_raw_fd(child::REQUEST_FD) })
}

/// A child that has ended and was not waited for yet. Its pid stays taken until [`rustix::process::waitpid`].
pub(crate) fn peek_ended_child() -> Option<Pid> {
    // SAFETY: all zeroes is a valid value of this plain C struct.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` lives through the call.
    let done = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, flags) };
    if done != 0 {
        return None;
    }
    // SAFETY: after a successful waitid the fields of SIGCHLD are filled in, or still zero when there was no child.
    Pid::from_raw(unsafe { info.si_pid() })
}

/// Makes a saved user id that no process of the sandbox has: another process may set limits (`prlimit`) of this one
/// only where all its ids are its own, and a limit of no CPU time would kill even PID 1. Best effort: outside a
/// sandbox that id may not exist.
pub(crate) fn set_odd_saved_uid() {
    /// A uid that no image uses, below the end of a sandbox's range.
    const ODD_UID: libc::uid_t = 65_533;
    const KEEP: libc::uid_t = libc::uid_t::MAX;
    // SAFETY: takes plain numbers.
    let _ = unsafe { libc::syscall(libc::SYS_setresuid, KEEP, KEEP, ODD_UID) };
}

/// Sets the allocator up for one small heap: all in `brk` (see [`note_heap_floor`]), and what is free at its top goes
/// back soon.
pub(crate) fn tune_allocator() {
    /// glibc's largest: no allocation gets a mapping of its own.
    const MMAP_THRESHOLD_BYTES: libc::c_int = 32 << 20;
    /// Free memory at the top of the heap that is kept.
    const TRIM_THRESHOLD_BYTES: libc::c_int = 128 << 10;
    // SAFETY: plain numbers; the only thread of the process calls it.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
        // A thread that makes children asks for next to nothing.
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives free memory back to the kernel.
pub(crate) fn trim_heap() {
    // SAFETY: no preconditions.
    unsafe { libc::malloc_trim(0) };
}

/// Lets the runtime watch a descriptor.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor keeps its number and stays open until it is dropped, with the watch.
    Ok(unsafe { AsyncFd::register(fd) }?)
}
