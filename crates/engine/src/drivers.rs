//! One driver per sandbox: whoever holds it is the only one who acts on it. A delete does not wait behind a slow
//! operation: it preempts the holder.

use std::collections::HashMap;

use atoll_tasks::{KeyedLock, KeyedLocks};
use atoll_types::{OperationId, SandboxId};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(crate) struct Drivers {
    locks: KeyedLocks<SandboxId>,
    holders: Mutex<HashMap<SandboxId, CancellationToken>>,
    /// Operations that failed and could not be undone yet.
    doomed: Mutex<HashMap<OperationId, String>>,
}

/// The right to act on one sandbox.
#[derive(Debug)]
pub(crate) struct Driver<'a> {
    drivers: &'a Drivers,
    /// Cancelled when a delete wants the sandbox.
    pub(crate) preempted: CancellationToken,
    lock: KeyedLock<SandboxId>,
}

impl Drivers {
    /// Waits for the driver of a sandbox.
    pub(crate) async fn acquire(&self, id: &SandboxId) -> Driver<'_> {
        let lock = self.locks.lock(id.clone()).await;
        self.held(id, lock)
    }

    /// The driver of a sandbox, if nobody holds it.
    pub(crate) fn try_acquire(&self, id: &SandboxId) -> Option<Driver<'_>> {
        Some(self.held(id, self.locks.try_lock(id.clone())?))
    }

    fn held(&self, id: &SandboxId, lock: KeyedLock<SandboxId>) -> Driver<'_> {
        let preempted = CancellationToken::new();
        self.holders.lock().insert(id.clone(), preempted.clone());
        Driver { drivers: self, preempted, lock }
    }

    /// This operation was answered with an error: whoever takes it up undoes it. Only this serve knows; after its death
    /// nobody remembers the answer, and either end is as good.
    pub(crate) fn doom(&self, operation: &OperationId, why: &str) {
        self.doomed.lock().insert(operation.clone(), why.to_owned());
    }

    /// Why this operation is to be undone, if it is.
    pub(crate) fn doomed(&self, operation: &OperationId) -> Option<String> {
        self.doomed.lock().get(operation).cloned()
    }

    /// Forgets those that are not under way any more.
    pub(crate) fn keep_doomed(&self, keep: impl Fn(&OperationId) -> bool) {
        self.doomed.lock().retain(|id, _| keep(id));
    }

    /// Tells the holder, if there is one, to let go.
    pub(crate) fn preempt(&self, id: &SandboxId) {
        if let Some(holder) = self.holders.lock().get(id) {
            holder.cancel();
        }
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        // Before the lock is free, so that this never removes the next holder's entry.
        self.drivers.holders.lock().remove(self.lock.key());
    }
}
