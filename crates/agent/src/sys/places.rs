//! Places in the memory of whoever makes children: each child has one until it executes.

use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::child::Rules;
use super::nursery::SENT_FDS;
use super::request::Used;

/// Below each stack, nothing: an overflow ends the child instead of writing into the next place.
const GUARD_BYTES: usize = 4 << 10;
/// Several times what a child needs before it executes. Pages that nobody has touched take no memory.
const STACK_BYTES: usize = 64 << 10;
/// Room for a usual request. A larger one gets a mapping of its own.
const REQUEST_BYTES: usize = 16 << 10;

/// What one child has of the memory. Laid out from the guard upwards: the stack grows down to it.
#[repr(C, align(4096))]
pub(super) struct Place {
    guard: [u8; GUARD_BYTES],
    stack: [u8; STACK_BYTES],
    pub(super) request: [u8; REQUEST_BYTES],
    /// The child's pid; 0 when the place is free, which the kernel sees to.
    pub(super) holder: AtomicU32,
    pub(super) fds: [RawFd; SENT_FDS],
    /// Where a child of a thread tells its pid, and whether it did.
    pub(super) channel: RawFd,
    pub(super) told: bool,
    pub(super) rules: Rules,
    pub(super) used: Used,
}

/// All places. Not unmapped by itself: a process that breeds ends with it.
pub(super) struct Places {
    first: NonNull<Place>,
    places: usize,
    /// How many were made accessible.
    open: usize,
}

impl Places {
    /// With so many places at most.
    pub(super) fn map(places: usize) -> Option<Self> {
        let (size, flags) =
            (places * size_of::<Place>(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
        // SAFETY: a fresh mapping, zeroed as far as it is made accessible, aligned to pages as `Place` is.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), size, libc::PROT_NONE, flags, -1, 0) };
        let first = NonNull::new(at.cast()).filter(|_| at != libc::MAP_FAILED)?;
        Some(Self { first, places, open: 0 })
    }

    /// The first that is free. All that are forget what they were used for: it may be long until the last of them is used again.
    pub(super) fn free(&mut self) -> Option<*mut Place> {
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
        if self.open == self.places {
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
///
/// # Safety
/// No child uses it.
pub(super) unsafe fn clean(place: *mut Place) {
    // SAFETY: the place is free, so nothing else uses it or what was mapped for it.
    unsafe {
        let Used { request, mapped: (at, len) } = std::mem::take(&mut (*place).used);
        std::ptr::write_bytes((&raw mut (*place).request).cast::<u8>(), 0, request.min(REQUEST_BYTES));
        if len > 0 {
            libc::munmap(std::ptr::with_exposed_provenance_mut(at), len);
        }
    }
}

/// Gives the memory of one that was mapped alone back.
///
/// # Safety
/// Nobody uses it any more.
pub(super) unsafe fn unmap(place: *mut Place) {
    // SAFETY: as the caller's.
    unsafe {
        clean(place);
        libc::munmap(place.cast(), size_of::<Place>());
    }
}
