//! One thing at a time is done to a sandbox.

use std::collections::HashMap;
use std::sync::Arc;

use atoll_types::SandboxId;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Whose turn it is, by sandbox.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<SandboxId, Arc<Turn<()>>>>);

impl Locks {
    /// Waits for the turn, which lasts until what is returned is dropped.
    pub(crate) async fn hold(&self, sandbox: &SandboxId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut all = self.0.lock();
            // Those that nobody holds or waits for are not needed.
            all.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(all.entry(sandbox.clone()).or_default())
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_after_the_other_and_nothing_is_left() {
        let (locks, one, other) = (Locks::default(), SandboxId::random(), SandboxId::random());
        let held = locks.hold(&one).await;
        drop(locks.hold(&other).await);
        let next = tokio::time::timeout(std::time::Duration::from_millis(20), locks.hold(&one)).await;
        assert!(next.is_err());
        drop(held);
        drop(locks.hold(&one).await);
        drop(locks.hold(&other).await);
        assert_eq!(locks.0.lock().len(), 1);
    }
}
