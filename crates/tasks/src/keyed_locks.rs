//! One lock per key, made when it is first asked for and forgotten when nobody holds or awaits it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Locks<K> = Mutex<HashMap<K, Arc<AsyncMutex<()>>>>;

/// One lock per key, fair in the order of asking. A cheap clone.
#[derive(Debug)]
pub struct KeyedLocks<K: Eq + Hash + Clone> {
    locks: Arc<Locks<K>>,
}

/// A held lock; it is given back when dropped.
#[derive(Debug)]
pub struct KeyedLock<K: Eq + Hash + Clone> {
    // Dropped in this order: the lock is free before its entry may be forgotten.
    _held: OwnedMutexGuard<()>,
    lease: Lease<K>,
}

/// An interest in a key, by its holder or by one who waits.
#[derive(Debug)]
struct Lease<K: Eq + Hash + Clone> {
    locks: Arc<Locks<K>>,
    key: K,
    lock: Option<Arc<AsyncMutex<()>>>,
}

impl<K: Eq + Hash + Clone> Default for KeyedLocks<K> {
    fn default() -> Self {
        Self { locks: Arc::default() }
    }
}

impl<K: Eq + Hash + Clone> Clone for KeyedLocks<K> {
    fn clone(&self) -> Self {
        Self { locks: Arc::clone(&self.locks) }
    }
}

impl<K: Eq + Hash + Clone> KeyedLocks<K> {
    /// Without any lock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for the lock of a key. Cancel safe, but one's place in the queue is lost.
    pub async fn lock(&self, key: K) -> KeyedLock<K> {
        let (lease, lock) = self.lease(key);
        KeyedLock { _held: lock.lock_owned().await, lease }
    }

    /// The lock of a key if it is free.
    #[must_use]
    pub fn try_lock(&self, key: K) -> Option<KeyedLock<K>> {
        let (lease, lock) = self.lease(key);
        Some(KeyedLock { _held: lock.try_lock_owned().ok()?, lease })
    }

    /// Keys that are held or awaited.
    #[must_use]
    pub fn len(&self) -> usize {
        self.locks.lock().len()
    }

    /// Whether no key is held or awaited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lease(&self, key: K) -> (Lease<K>, Arc<AsyncMutex<()>>) {
        let lock = Arc::clone(self.locks.lock().entry(key.clone()).or_default());
        (Lease { locks: Arc::clone(&self.locks), key, lock: Some(Arc::clone(&lock)) }, lock)
    }
}

impl<K: Eq + Hash + Clone> KeyedLock<K> {
    /// Which key.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.lease.key
    }
}

impl<K: Eq + Hash + Clone> Drop for Lease<K> {
    fn drop(&mut self) {
        // Given up under the map's lock, so that of two who leave at once the last one sees that it is the last.
        let mut locks = self.locks.lock();
        self.lock = None;
        if locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.key);
        }
    }
}
