//! What a child is told, and where it keeps that until it executes.

use std::ffi::c_char;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::io::Errno;

use super::child::{CODE_CANNOT_RUN, REQUEST_FD, exit, fail};
use crate::launch::{BODY_BYTES_MAX, HEADER_BYTES, HEADER_WORDS, Header};

/// A request in memory: its body, and room for two tables of pointers behind it.
pub(super) struct Request {
    pub(super) header: Header,
    pub(super) body: &'static [u8],
    pub(super) table: &'static mut [*const c_char],
}

/// Memory that a child may use for its request; by default none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Room {
    /// Address and length of a block that is all zeroes.
    given: Option<(NonNull<u8>, usize)>,
    used: Option<NonNull<Used>>,
}

/// What a child has used, for whoever has its memory after it.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Of the block that it was given, so many bytes.
    pub(super) request: usize,
    /// What it has mapped, since that was too small: address, and bytes.
    pub(super) mapped: (usize, usize),
}

impl Room {
    /// A block that is all zeroes, and where to note what was used. Both are the child's until it executes.
    pub(super) fn new<const N: usize>(given: *mut [u8; N], used: *mut Used) -> Self {
        Self { given: NonNull::new(given.cast()).map(|at| (at, N)), used: NonNull::new(used) }
    }

    /// So many zeroed bytes, which live until exec.
    unsafe fn take(self, bytes: usize) -> *mut u8 {
        let given = self.given.filter(|(_, len)| bytes <= *len).map(|(at, _)| at.as_ptr());
        let at = given.unwrap_or_else(|| map(bytes));
        if let Some(used) = self.used {
            let used_now = match given {
                Some(_) => Used { request: bytes, ..Used::default() },
                None => Used { mapped: (at.expose_provenance(), bytes), ..Used::default() },
            };
            // SAFETY: this child's own.
            unsafe { used.write(used_now) };
        }
        at
    }
}

fn map(bytes: usize) -> *mut u8 {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh private mapping.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes, prot, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        fail(c"out of memory", CODE_CANNOT_RUN);
    }
    at.cast()
}

/// Waits for the request. Ends the process when the agent is gone or does not mean it any more.
///
/// # Safety
/// In a child of the agent that has its channel at [`REQUEST_FD`]; the room is its own.
pub(super) unsafe fn read_request(room: Room) -> Request {
    let mut head = [0_u8; HEADER_BYTES];
    if !read_full(&mut head) {
        exit(0);
    }
    let mut words = [0_u32; HEADER_WORDS];
    for (word, bytes) in words.iter_mut().zip(head.as_chunks::<4>().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    let header = Header::from_words(words);
    let size = |n: u32| usize::try_from(n.min(BODY_BYTES_MAX)).unwrap_or(0);
    let body_bytes = size(header.body_bytes);
    let table_len = size(header.args) + size(header.envs) + 2;
    let table_at = body_bytes.next_multiple_of(align_of::<*const c_char>());
    // SAFETY: zeroed memory of that size, aligned to pages, which is this process's until exec, so both slices may be `'static`.
    let (body, table) = unsafe {
        let at = room.take(table_at + table_len * size_of::<*const c_char>());
        let table = std::slice::from_raw_parts_mut(at.byte_add(table_at).cast(), table_len);
        (std::slice::from_raw_parts_mut(at, body_bytes), table)
    };
    if !read_full(body) {
        exit(0);
    }
    Request { header, body, table }
}

fn read_full(mut buffer: &mut [u8]) -> bool {
    // SAFETY: the channel is open all through this process's life.
    let channel = unsafe { BorrowedFd::borrow_raw(REQUEST_FD) };
    while !buffer.is_empty() {
        match rustix::io::read(channel, &mut *buffer) {
            Ok(n @ 1..) => match std::mem::take(&mut buffer).get_mut(n..) {
                Some(rest) => buffer = rest,
                None => return false,
            },
            Err(Errno::INTR) => {}
            _ => return false,
        }
    }
    true
}
