//! A thread that makes children in the agent's own memory, one at a time: for gVisor.
//!
//! gVisor takes no notice of `CLONE_PARENT` (release of 2022): siblings are nobody's children there, and the agent never hears of their
//! ends. A fork takes 2.2 ms, and as long again for pages that the agent writes to after it. So there a thread of the agent makes children in
//! the agent's own memory, with `CLONE_VFORK`: it waits until its child executes, and no other child is made meanwhile. What speaks against that
//! elsewhere does not hold there: gVisor kills nobody for memory, and only the thread is held up by what the workload does to its child.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::OFlags;

use super::child::{Rules, become_child, wait_for_request};
use super::nursery::{SENT_FDS, close_all, receive_fds, tell};
use super::places::{Place, Places, clean, unmap};
use super::request::Room;
use super::spare::{Blocked, channel_pair};

/// Starts a thread that makes a child for each message, one at a time, and returns the channel to it: the agent hears each pid, or -1.
/// It ends when the channel is closed, which it sees when its last child has executed or ended.
pub(crate) fn start_thread(rules: Rules) -> io::Result<OwnedFd> {
    /// What the thread itself needs; its children have stacks of their own.
    const THREAD_STACK_BYTES: usize = 64 << 10;
    let (ours, theirs) = channel_pair()?;
    rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    let place = Owned::new()?;
    // The thread begins with the signals blocked: they are the main thread's.
    let _blocked = Blocked::all();
    let breed = move || bear_for(&theirs, &place, rules);
    thread::Builder::new().name("atoll-breeder".to_owned()).stack_size(THREAD_STACK_BYTES).spawn(breed)?;
    Ok(ours)
}

/// Threads that make children. One is given up when its child takes too long to execute, and ends only then: a workload that stops
/// each child holds no more than so many. Beyond that, a fork will do.
const THREADS_MAX: usize = 8;
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// A place that one thread has.
struct Owned {
    place: *mut Place,
    _seat: Seat,
}

// SAFETY: nobody else has the pointer.
unsafe impl Send for Owned {}

impl Owned {
    fn new() -> io::Result<Self> {
        let seat = Seat::take()?;
        let place = Places::map(1).and_then(|mut places| places.free()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { place, _seat: seat })
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the thread has waited for its last child.
        unsafe { unmap(self.place) };
    }
}

/// One of [`THREADS_MAX`].
struct Seat;

impl Seat {
    fn take() -> io::Result<Self> {
        let seat = Self;
        if THREADS.fetch_add(1, Ordering::Relaxed) < THREADS_MAX {
            Ok(seat)
        } else {
            Err(io::ErrorKind::QuotaExceeded.into())
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        THREADS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Until the agent closes its end.
fn bear_for(channel: &OwnedFd, owned: &Owned, rules: Rules) {
    let (place, channel) = (owned.place, channel.as_raw_fd());
    while let Some(fds) = receive_fds(channel) {
        // SAFETY: the last child has let go of the place, for which this thread has waited; the descriptors are this thread's own,
        // and the child has copies.
        unsafe {
            clean(place);
            (*place).told = false;
            bear_and_wait(place, channel, fds, rules);
            close_all(fds);
            // Nothing was made, or it was killed before it could tell.
            if !(*place).told {
                tell(channel, -1);
            }
        }
    }
}

/// A child of this process in a place of its memory. Comes back when it has executed, or ended.
///
/// # Safety
/// The place is free and this thread's; the descriptors and the channel are open.
unsafe fn bear_and_wait(place: *mut Place, channel: RawFd, fds: [RawFd; SENT_FDS], rules: Rules) {
    const FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: as the caller's; the stack ends where the request begins, which is aligned to 16 bytes.
    unsafe {
        (*place).fds = fds;
        (*place).rules = rules;
        (*place).channel = channel;
        let top = (&raw mut (*place).request).cast::<c_void>();
        libc::clone(born_of_thread, top, FLAGS, place.cast());
    }
}

extern "C" fn born_of_thread(place: *mut c_void) -> c_int {
    let place = place.cast::<Place>();
    // SAFETY: it is this process's alone until it executes or ends, for which the thread waits.
    unsafe {
        tell((*place).channel, libc::syscall(libc::SYS_getpid));
        (*place).told = true;
        let room = Room::new(&raw mut (*place).request, &raw mut (*place).used);
        let [request, stdio @ ..] = (*place).fds;
        become_child(request, stdio, (*place).rules);
        wait_for_request((*place).rules, room)
    }
}
