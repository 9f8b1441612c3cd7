//! Locks of a program with one thread: held for a moment, never across an await.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a panic while it was held (then the sandbox ends anyway in a release build) leaves the value as it is.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
