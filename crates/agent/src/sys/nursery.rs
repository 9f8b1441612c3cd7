//! A child that makes siblings, which use its memory until they execute; or a thread that makes children in the agent's.
//!
//! A fork copies page tables and then each page that one of the two writes to, and the execution gives all of it up again,
//! while somebody waits for the command. Measured on a 2-core VM, kernel 6.18, medians of 200, beside other work: the call takes 88 µs, and 25 with
//! `CLONE_VM`; from the request to the end of `true` it is 930 to 1,210 µs, and 850 to 920.
//!
//! What runs in the same memory has a place of its own there: a stack, and room for its request. The kernel says when a place
//! is free, since it clears a word as soon as a child lets go of the memory (`CLONE_CHILD_CLEARTID`). Nothing else is shared: each
//! has its own descriptors, ids and signals, and none of them uses the heap, a lock or the C library's `errno`.
//! When the kernel, out of memory, kills one of them, it kills all: nothing but spares, which are made again.
//!
//! **gVisor** takes no notice of `CLONE_PARENT` (release of 2022): siblings are nobody's children there, and the agent never hears of their
//! ends. A fork takes 2.2 ms, and as long again for pages that the agent writes to after it. So there a thread of the agent makes children in
//! the agent's own memory, with `CLONE_VFORK`: it waits until its child executes, and no other child is made meanwhile. What speaks against that
//! elsewhere does not hold there: gVisor kills nobody for memory, and only the thread is held up by what the workload does to its child.

use std::ffi::{c_int, c_void};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::fs::OFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::child::{REQUEST_FD, Rules, become_child, become_plain, close_from, wait_for_request};
use super::request::{Room, Used};
use super::spare::{Blocked, channel_pair};

/// Descriptors that make a sibling: its end of the request channel, and its three streams.
pub(super) const SENT_FDS: usize = 4;
/// Places: those that wait, and some that have their request and did not execute yet. Beyond that, a fork will do.
const PLACES: usize = 8;
/// Below each stack, nothing: an overflow ends the child instead of writing into the next place.
const GUARD_BYTES: usize = 4 << 10;
/// Several times what a child needs before it executes. Pages that nobody has touched take no memory.
const STACK_BYTES: usize = 64 << 10;
/// Room for a usual request. A larger one gets a mapping of its own.
const REQUEST_BYTES: usize = 16 << 10;

/// What one child has of the memory. Laid out from the guard upwards: the stack grows down to it.
#[repr(C, align(4096))]
struct Place {
    guard: [u8; GUARD_BYTES],
    stack: [u8; STACK_BYTES],
    request: [u8; REQUEST_BYTES],
    /// The child's pid; 0 when the place is free, which the kernel sees to.
    holder: AtomicU32,
    fds: [RawFd; SENT_FDS],
    /// Where a child of a thread tells its pid.
    channel: RawFd,
    rules: Rules,
    used: Used,
}

/// All places. Never unmapped: the process ends with it.
struct Nursery {
    first: NonNull<Place>,
    /// How many were made accessible.
    open: usize,
}

impl Nursery {
    fn new() -> Option<Self> {
        let (size, flags) =
            (size_of::<[Place; PLACES]>(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
        // SAFETY: a fresh mapping, zeroed as far as it is made accessible, aligned to pages as `Place` is.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), size, libc::PROT_NONE, flags, -1, 0) };
        let first = NonNull::new(at.cast()).filter(|_| at != libc::MAP_FAILED)?;
        Some(Self { first, open: 0 })
    }

    /// The first that is free. All that are forget what they were used for: it may be long until the last of them is used again.
    fn free(&mut self) -> Option<*mut Place> {
        let mut first = None;
        for n in 0..self.open {
            // SAFETY: within the mapping, and accessible; cleaned where it is free.
            unsafe {
                let place = self.first.as_ptr().add(n);
                if (*place).holder.load(Ordering::Acquire) == 0 {
                    clean(place);
                    first.get_or_insert(place);
                }
            }
        }
        first.or_else(|| self.open_next())
    }

    fn open_next(&mut self) -> Option<*mut Place> {
        if self.open == PLACES {
            return None;
        }
        // SAFETY: within the mapping, of which nobody uses this part yet.
        let (place, accessible) = unsafe {
            let place = self.first.as_ptr().add(self.open);
            let above_guard = (&raw mut (*place).stack).cast();
            let size = size_of::<Place>() - GUARD_BYTES;
            (place, libc::mprotect(above_guard, size, libc::PROT_READ | libc::PROT_WRITE) == 0)
        };
        self.open += usize::from(accessible);
        accessible.then_some(place)
    }
}

/// Forgets what the last child was told: it may have been a secret.
unsafe fn clean(place: *mut Place) {
    // SAFETY: the place is free, so nothing else uses it or what was mapped for it.
    unsafe {
        let Used { request, mapped: (at, len) } = std::mem::take(&mut (*place).used);
        std::ptr::write_bytes((&raw mut (*place).request).cast::<u8>(), 0, request.min(REQUEST_BYTES));
        if len > 0 {
            libc::munmap(std::ptr::with_exposed_provenance_mut(at), len);
        }
    }
}

/// Makes a sibling for each message, until the agent is gone. The agent hears its pid, or -1.
pub(super) unsafe fn breed(rules: Rules) -> ! {
    let mut nursery = Nursery::new();
    loop {
        let Some(fds) = receive_fds(REQUEST_FD) else {
            // SAFETY: ends this process.
            unsafe { libc::_exit(0) }
        };
        // SAFETY: in a child of one thread; the descriptors are its own, and the sibling has copies.
        unsafe {
            let pid = match nursery.as_mut().and_then(Nursery::free) {
                Some(place) => bear(place, fds, rules),
                None => fork(fds, rules),
            };
            close_all(fds);
            tell(REQUEST_FD, pid);
        }
    }
}

/// Starts a thread that makes a child for each message, one at a time, and returns the channel to it: the agent hears each pid, or -1.
pub(crate) fn start_thread(rules: Rules) -> io::Result<OwnedFd> {
    /// What the thread itself needs; its children have stacks of their own.
    const THREAD_STACK_BYTES: usize = 64 << 10;
    let (ours, theirs) = channel_pair()?;
    rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    let mut nursery = Nursery::new().ok_or(io::ErrorKind::OutOfMemory)?;
    let place = Owned(nursery.free().ok_or(io::ErrorKind::OutOfMemory)?);
    // The thread begins with the signals blocked: they are the main thread's.
    let _blocked = Blocked::all();
    let breed = move || bear_for(&theirs, place, rules);
    thread::Builder::new().name("atoll-breeder".to_owned()).stack_size(THREAD_STACK_BYTES).spawn(breed)?;
    Ok(ours)
}

/// A place that one thread has, for ever.
struct Owned(*mut Place);

// SAFETY: nobody else has the pointer.
unsafe impl Send for Owned {}

/// Until the agent closes its end.
fn bear_for(channel: &OwnedFd, Owned(place): Owned, rules: Rules) {
    while let Some(fds) = receive_fds(channel.as_raw_fd()) {
        // SAFETY: the last child has let go of the place, for which this thread has waited; the descriptors are this thread's own,
        // and the child has copies.
        unsafe {
            clean(place);
            let pid = bear_and_wait(place, channel.as_raw_fd(), fds, rules);
            close_all(fds);
            // Any other has told it itself.
            if pid < 0 {
                tell(channel.as_raw_fd(), pid);
            }
        }
    }
}

unsafe fn close_all(fds: [RawFd; SENT_FDS]) {
    for fd in fds {
        // SAFETY: as the caller's.
        unsafe { libc::close(fd) };
    }
}

/// The agent hears of a child.
unsafe fn tell(channel: RawFd, pid: i64) {
    let answer = i32::try_from(pid).unwrap_or(-1).to_ne_bytes();
    // SAFETY: reads the bytes of a number. When nobody takes them there is no agent.
    unsafe { libc::send(channel, answer.as_ptr().cast(), answer.len(), libc::MSG_NOSIGNAL) };
}

/// A sibling in a place of this memory. `CLONE_PARENT` makes it the agent's child, with the signal that this one has: SIGCHLD.
unsafe fn bear(place: *mut Place, fds: [RawFd; SENT_FDS], rules: Rules) -> i64 {
    const FLAGS: c_int = libc::CLONE_VM
        | libc::CLONE_PARENT
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID
        | libc::SIGCHLD;
    // SAFETY: the place is free and stays the child's until the kernel clears `holder`; the stack ends where the request begins,
    // which is aligned to 16 bytes.
    unsafe {
        (*place).fds = fds;
        (*place).rules = rules;
        let top = (&raw mut (*place).request).cast::<c_void>();
        let holder = (*place).holder.as_ptr();
        let no_tls = std::ptr::null_mut::<c_void>();
        i64::from(libc::clone(born, top, FLAGS, place.cast(), holder, no_tls, holder))
    }
}

extern "C" fn born(place: *mut c_void) -> c_int {
    let place = place.cast::<Place>();
    // SAFETY: it is this process's alone while `holder` is set, which is until it executes or ends.
    unsafe {
        let room = Room::new(&raw mut (*place).request, &raw mut (*place).used);
        be_sibling((*place).fds, (*place).rules, room)
    }
}

/// A child of this process in a place of its memory. Comes back when it has executed, or ended.
unsafe fn bear_and_wait(place: *mut Place, channel: RawFd, fds: [RawFd; SENT_FDS], rules: Rules) -> i64 {
    const FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: as in `bear`.
    unsafe {
        (*place).fds = fds;
        (*place).rules = rules;
        (*place).channel = channel;
        let top = (&raw mut (*place).request).cast::<c_void>();
        i64::from(libc::clone(born_of_thread, top, FLAGS, place.cast()))
    }
}

extern "C" fn born_of_thread(place: *mut c_void) -> c_int {
    let place = place.cast::<Place>();
    // SAFETY: it is this process's alone until it executes or ends, for which the thread waits.
    unsafe {
        tell((*place).channel, libc::syscall(libc::SYS_getpid));
        let room = Room::new(&raw mut (*place).request, &raw mut (*place).used);
        let [request, stdio @ ..] = (*place).fds;
        become_child(request, stdio, (*place).rules);
        wait_for_request((*place).rules, room)
    }
}

/// The same by a copy of this memory.
unsafe fn fork(fds: [RawFd; SENT_FDS], rules: Rules) -> i64 {
    // SAFETY: as in `spare::fork`.
    unsafe {
        let pid = libc::syscall(libc::SYS_clone, libc::CLONE_PARENT | libc::SIGCHLD, 0, 0, 0, 0);
        if pid == 0 {
            be_sibling(fds, rules, Room::default());
        }
        pid
    }
}

/// The life of a sibling: it has the parent's cgroup, signals and name, and channels of its own.
unsafe fn be_sibling([request, stdio @ ..]: [RawFd; SENT_FDS], rules: Rules, room: Room) -> ! {
    // SAFETY: what was sent has numbers beyond those that it becomes.
    unsafe {
        become_plain(request, stdio);
        close_from(REQUEST_FD + 1);
        wait_for_request(rules, room)
    }
}

/// The descriptors of the next message: of the request channel, and the three streams. None when there is no agent any more.
fn receive_fds(channel: RawFd) -> Option<[RawFd; SENT_FDS]> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SENT_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    // SAFETY: the channel is open as long as whoever makes children is there.
    let channel = unsafe { BorrowedFd::borrow_raw(channel) };
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)
    });
    if received.ok()?.bytes == 0 {
        return None;
    }
    let RecvAncillaryMessage::ScmRights(mut sent) = control.drain().next()? else { return None };
    let mut next = || sent.next().map(OwnedFd::into_raw_fd);
    Some([next()?, next()?, next()?, next()?])
}
