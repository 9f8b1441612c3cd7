//! A child that makes siblings, which use its memory until they execute.
//!
//! A fork copies page tables and then each page that one of the two writes to, and the execution gives all of it up again,
//! while somebody waits for the command. Measured on a 2-core VM, kernel 6.18, medians of 200, beside other work: the call takes 88 µs, and 25 with
//! `CLONE_VM`; from the request to the end of `true` it is 930 to 1,210 µs, and 850 to 920.
//!
//! What runs in the same memory has a place of its own there: a stack, and room for its request. The kernel says when a place
//! is free, since it clears a word as soon as a child lets go of the memory (`CLONE_CHILD_CLEARTID`). Nothing else is shared: each
//! has its own descriptors, ids and signals, and none of them uses the heap, a lock or the C library's `errno`.
//! When the kernel, out of memory, kills one of them, it kills all: nothing but spares, which are made again.

use std::ffi::{c_int, c_void};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::child::{REQUEST_FD, Rules, become_plain, close_from, wait_for_request};
use super::places::{Place, Places};
use super::request::Room;

/// Descriptors that make a sibling: its end of the request channel, and its three streams.
pub(super) const SENT_FDS: usize = 4;
/// Places: those that wait, and some that have their request and did not execute yet. Beyond that, a fork will do.
const PLACES: usize = 8;

/// Makes a sibling for each message, until the agent is gone. The agent hears its pid, or -1.
pub(super) unsafe fn breed(rules: Rules) -> ! {
    let mut places = Places::map(PLACES);
    loop {
        let Some(fds) = receive_fds(REQUEST_FD) else {
            // SAFETY: ends this process.
            unsafe { libc::_exit(0) }
        };
        // SAFETY: in a child of one thread; the descriptors are its own, and the sibling has copies.
        unsafe {
            let pid = match places.as_mut().and_then(Places::free) {
                Some(place) => bear(place, fds, rules),
                None => fork(fds, rules),
            };
            close_all(fds);
            tell(REQUEST_FD, pid);
        }
    }
}

/// Closes what was received, of which the child has copies.
///
/// # Safety
/// They are the caller's own.
pub(super) unsafe fn close_all(fds: [RawFd; SENT_FDS]) {
    for fd in fds {
        // SAFETY: as the caller's.
        unsafe { libc::close(fd) };
    }
}

/// The agent hears of a child; of none where the number is negative.
///
/// # Safety
/// The channel is open.
pub(super) unsafe fn tell(channel: RawFd, pid: i64) {
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
pub(super) fn receive_fds(channel: RawFd) -> Option<[RawFd; SENT_FDS]> {
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
    // What came in part is closed.
    let fds: [OwnedFd; SENT_FDS] = [sent.next()?, sent.next()?, sent.next()?, sent.next()?];
    Some(fds.map(IntoRawFd::into_raw_fd))
}
