//! The fork, as the agent's side sees it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::OFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::child::{ChildFds, Rules, child_main};
use super::nursery::SENT_FDS;
use super::{CGROUP_FD_FIRST, CGROUP_FDS_MAX};

/// Where the part of the heap begins that a spare does not need; 0: not known.
static HEAP_FLOOR: AtomicUsize = AtomicUsize::new(0);

/// Notes where the heap begins. What lies below (the thread's own block of a static program) stays in a spare; what
/// lies above it drops, so that a waiting spare neither keeps the agent's old pages nor makes it copy them.
pub(crate) fn note_heap_floor() {
    const PAGE_BYTES: usize = 4_096;
    let first = Box::new(0_u64);
    let floor = std::ptr::from_ref::<u64>(&*first).addr().next_multiple_of(PAGE_BYTES);
    HEAP_FLOOR.store(floor, Ordering::Relaxed);
}

/// A child that waits for its request, and the agent's ends of its pipes, none of which blocks.
#[derive(Debug)]
pub(crate) struct RawSpare {
    pub(crate) pid: Pid,
    /// Takes one request, once; see [`crate::launch`].
    pub(crate) request: Option<OwnedFd>,
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OutputPipe,
    pub(crate) stderr: OutputPipe,
}

/// A pipe that a child writes to, with a copy of the child's end.
#[derive(Debug)]
pub(crate) struct OutputPipe {
    pub(crate) read: OwnedFd,
    pub(crate) write: OwnedFd,
}

/// The ends of a child's channels that are its own.
#[derive(Debug)]
struct TheirEnds {
    request: OwnedFd,
    stdin: OwnedFd,
}

/// A child of ours that another one is asked to make.
#[derive(Debug)]
pub(crate) struct UnbornSpare {
    request: OwnedFd,
    stdin: OwnedFd,
    stdout: OutputPipe,
    stderr: OutputPipe,
}

impl UnbornSpare {
    fn channels() -> io::Result<(Self, TheirEnds)> {
        let (request_read, request) = channel_pair()?;
        let (stdin_read, stdin) = pipe()?;
        let [stdout, stderr] = [pipe()?, pipe()?].map(|(read, write)| OutputPipe { read, write });
        // The agent's ends never make it wait. Done here, ahead of the exec.
        for end in [&request, &stdin, &stdout.read, &stderr.read] {
            rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK)?;
        }
        Ok((Self { request, stdin, stdout, stderr }, TheirEnds { request: request_read, stdin: stdin_read }))
    }

    /// It has been made, with this pid.
    pub(crate) fn born(self, pid: Pid) -> RawSpare {
        let Self { request, stdin, stdout, stderr } = self;
        RawSpare { pid, request: Some(request), stdin, stdout, stderr }
    }
}

/// Forks a child that enters the workload's cgroup and waits for a request.
pub(crate) fn fork_spare(cgroups: &[OwnedFd], rules: Rules) -> io::Result<RawSpare> {
    let (ours, theirs) = UnbornSpare::channels()?;
    let fds = ChildFds {
        request: theirs.request.as_raw_fd(),
        stdio: [theirs.stdin.as_raw_fd(), ours.stdout.write.as_raw_fd(), ours.stderr.write.as_raw_fd()],
        cgroups: (CGROUP_FD_FIRST, cgroups.len().min(CGROUP_FDS_MAX)),
        heap: heap_to_drop(),
        rules,
    };
    let pid = fork(fds)?;
    Ok(ours.born(pid))
}

/// Asks a child that breeds for a sibling; it answers with the pid, as the bytes of an `i32`.
pub(crate) fn ask_for_spare(breeder: impl AsFd) -> io::Result<UnbornSpare> {
    let (ours, theirs) = UnbornSpare::channels()?;
    let fds =
        [theirs.request.as_fd(), theirs.stdin.as_fd(), ours.stdout.write.as_fd(), ours.stderr.write.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SENT_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(breeder, &[IoSlice::new(&[1])], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(ours)
}

/// A pipe whose ends are beyond the numbers that a child gives a meaning to: 0 to 3 and the cgroup files. They are
/// taken all through the agent's life, so the kernel never gives one of them.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((read, write))
}

/// The agent's heap above the floor, as (address, length).
fn heap_to_drop() -> (usize, usize) {
    let floor = HEAP_FLOOR.load(Ordering::Relaxed);
    // SAFETY: sbrk(0) only tells where the heap ends.
    let end = unsafe { libc::sbrk(0) }.addr();
    // A Rust program may have its first block outside `brk`; then nothing is dropped, which only costs memory.
    const HEAP_BYTES_MAX: usize = 1 << 30;
    match end.checked_sub(floor) {
        Some(len) if floor != 0 && len <= HEAP_BYTES_MAX => (floor, len),
        _ => (0, 0),
    }
}

fn fork(fds: ChildFds) -> io::Result<Pid> {
    // Signals wait while the two processes part: a handler of the agent that ran in the child would write into the
    // agent's own wake-up socket.
    let blocked = Blocked::all();
    // The bare call, without the C library's handlers around it: the child makes system calls only.
    // SAFETY: with no flags but SIGCHLD this is fork(2): the child has a copy of everything, and its only thread goes
    // on in `child_main`, which touches no lock and no heap and never returns.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if pid == 0 {
        // SAFETY: we are the child, right after fork, with all signals blocked.
        unsafe { child_main(fds) }
    }
    let error = io::Error::last_os_error();
    drop(blocked);
    i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw).ok_or(error)
}

/// A pair of sockets, since it may carry descriptors.
pub(super) fn channel_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (family, kind) = (rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM);
    Ok(rustix::net::socketpair(family, kind, rustix::net::SocketFlags::CLOEXEC, None)?)
}

/// This thread's signals wait until it is dropped.
pub(super) struct Blocked(libc::sigset_t);

impl Blocked {
    pub(super) fn all() -> Self {
        // SAFETY: all zeroes is a valid signal set, and both sets live through the calls.
        unsafe {
            let (mut all, mut old): (libc::sigset_t, libc::sigset_t) =
                (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old);
            Self(old)
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled by the call that blocked.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}
