//! Many sandboxes at once, by their labels.

use atoll_lifecycle::Request;
use atoll_ports::AuditScope;
use atoll_types::{Label, SandboxId, StopReason};
use futures_util::StreamExt;

use crate::{Caller, Engine, EngineError};

/// Sandboxes of one request that are worked on at once: enough to keep the launcher busy, few enough to leave it to others too.
const PARALLEL: usize = 16;

/// What becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bulk {
    /// They are stopped.
    Stop,
    /// They are deleted.
    Delete,
}

/// What became of them. One that fails does not keep the others from it.
#[derive(Debug, Default)]
pub struct BulkOutcome {
    /// Those with which it was done.
    pub done: Vec<SandboxId>,
    /// Those with which it was not, and why.
    pub failed: Vec<(SandboxId, EngineError)>,
}

impl Engine {
    /// Does this to all of the caller's own sandboxes that have all of these labels; answers when it is done.
    ///
    /// # Errors
    /// Without a label: nobody means all of them by leaving out a filter.
    pub async fn sandbox_bulk(
        &self,
        caller: &Caller,
        labels: &[(Label, Label)],
        what: Bulk,
    ) -> Result<BulkOutcome, EngineError> {
        if labels.is_empty() {
            return Err(EngineError::field("query.label", "is required"));
        }
        let has = |record: &atoll_ports::SandboxRecord| {
            labels.iter().all(|(key, value)| record.spec.labels.get(key) == Some(value))
        };
        let all = self.inner.records.all();
        let mine = all.iter().filter(|record| record.owner == caller.user && has(record));
        let ids: Vec<SandboxId> = mine.map(|record| record.id.clone()).collect();
        let engine = self.clone();
        let work = async move { engine.bulk_now(ids, what).await };
        Ok(self.inner.operations.run_detached("change sandboxes", AuditScope::carry(work)).await?)
    }

    async fn bulk_now(&self, ids: Vec<SandboxId>, what: Bulk) -> BulkOutcome {
        let act = async |id: SandboxId| {
            let done = match what {
                Bulk::Delete => self.delete_now(&id).await,
                Bulk::Stop => self.request_now(&id, Request::Stop, StopReason::Requested).await.map(drop),
            };
            (id, done)
        };
        let mut outcome = BulkOutcome::default();
        let mut all = std::pin::pin!(futures_util::stream::iter(ids).map(act).buffer_unordered(PARALLEL));
        while let Some((id, done)) = all.next().await {
            match done {
                Ok(()) => outcome.done.push(id),
                Err(error) => outcome.failed.push((id, error)),
            }
        }
        outcome
    }
}
