//! Sandbox records of this node: written through to the store, read from memory.
//!
//! This node's serve is the only writer of its rows, so memory and store agree; a compare-and-set that fails anyway
//! (a second serve during an upgrade) brings the newer row in and tries again on it.

mod cache;

use std::sync::Arc;

use atoll_lifecycle::{State, status};
use atoll_ports::{Cas, Clock, Durability, SandboxRecord, Store};
use atoll_types::{ErrorCode, NodeId, SandboxId, Status};
use parking_lot::RwLock;

pub(crate) use cache::Cache;

use crate::events::{EventLog, sandbox_event};
use crate::{EngineError, Ports};

/// Times that a change is tried on a newer row before it is given up.
const CAS_ATTEMPTS: u32 = 8;

#[derive(Debug)]
pub(crate) struct Records {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    events: Arc<EventLog>,
    cache: RwLock<Cache>,
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum ChangeError<E> {
    /// The closure refused.
    Refused(E),
    /// There is no such record.
    Absent,
    /// The store failed, or others kept writing.
    Store(EngineError),
}

impl Records {
    pub(crate) fn new(ports: &Ports, events: Arc<EventLog>) -> Self {
        let (store, clock) = (Arc::clone(&ports.store), Arc::clone(&ports.clock));
        Self { store, clock, events, cache: RwLock::default() }
    }

    /// Tells of what was changed. With the lock in hand, so that it is told in the order in which it happened.
    fn tell(&self, before: Option<&SandboxRecord>, after: Option<&SandboxRecord>) {
        if let Some(event) = sandbox_event(before, after, self.clock.now()) {
            self.events.add(event);
        }
    }

    /// Reads every record of the node.
    pub(crate) async fn load(&self, node: &NodeId) -> Result<(), EngineError> {
        let all = self.store.sandbox_list_node(node).await?;
        *self.cache.write() = all.into_iter().collect();
        Ok(())
    }

    pub(crate) fn get(&self, id: &SandboxId) -> Option<Arc<SandboxRecord>> {
        self.cache.read().get(id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<SandboxRecord>> {
        self.cache.read().values().cloned().collect()
    }

    /// Looks at several things that belong together.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Cache) -> T) -> T {
        look(&self.cache.read())
    }

    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.cache.read().values().len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn running(&self) -> u64 {
        let running = |r: &&Arc<SandboxRecord>| shown(r) == Status::Running;
        u64::try_from(self.cache.read().values().filter(running).count()).unwrap_or(u64::MAX)
    }

    /// Every record of the node as the store has it.
    pub(crate) async fn stored(&self, node: &NodeId) -> Result<Vec<SandboxRecord>, EngineError> {
        Ok(self.store.sandbox_list_node(node).await?)
    }

    pub(crate) async fn insert(&self, record: &SandboxRecord) -> Result<Arc<SandboxRecord>, EngineError> {
        // The death of serve must not lose it. For the loss of power it is flushed while the runtime starts, before the
        // create is acknowledged.
        let stored = match self.store.sandbox_insert(record, Durability::Process).await {
            Ok(stored) => stored,
            // The answer may be what failed: the id is ours alone, so a record of it is this one.
            Err(error) => match self.store.sandbox_get(&record.id).await {
                Ok(Some(stored)) => stored,
                _ => return Err(error.into()),
            },
        };
        Ok(self.remember(stored))
    }

    /// Makes a record of one that was made ahead; `None` when that is not there any more. On the disk when it returns: nothing
    /// else is waited for that could hide it.
    pub(crate) async fn claim(
        &self,
        record: &SandboxRecord,
    ) -> Result<Option<Arc<SandboxRecord>>, EngineError> {
        let claimed = match self.store.prepared_claim(record, Durability::Power).await {
            Ok(claimed) => claimed,
            // The answer may be what failed: the id is ours alone, so a record of it is this one.
            Err(error) => match self.store.sandbox_get(&record.id).await {
                Ok(Some(stored)) => Some(stored),
                _ => return Err(error.into()),
            },
        };
        Ok(claimed.map(|stored| self.remember(stored)))
    }

    /// Takes in a record that the store knows better: the answer to its insert or change was lost, and then that to the
    /// question for it. The caller holds the driver.
    pub(crate) async fn adopt(&self, id: &SandboxId) -> Result<(), EngineError> {
        if let Some(stored) = self.store.sandbox_get(id).await? {
            self.remember(stored);
        }
        Ok(())
    }

    /// Changes a record; the closure sees the newest row and may refuse. It may be called more than once.
    pub(crate) async fn change<E>(
        &self,
        id: &SandboxId,
        durability: Durability,
        mut change: impl FnMut(&mut SandboxRecord) -> Result<(), E> + Send,
    ) -> Result<Arc<SandboxRecord>, ChangeError<E>> {
        let mut current = self.get(id).ok_or(ChangeError::Absent)?;
        for _ in 0..CAS_ATTEMPTS {
            let mut wanted = SandboxRecord::clone(&current);
            change(&mut wanted).map_err(ChangeError::Refused)?;
            if wanted == *current {
                return Ok(current);
            }
            match self.write(&wanted, durability).await.map_err(ChangeError::Store)? {
                Cas::Updated(now) => return Ok(self.remember(now)),
                Cas::Stale(now) => current = self.remember(now),
                Cas::Absent => {
                    self.forget(id);
                    return Err(ChangeError::Absent);
                }
            }
        }
        Err(ChangeError::Store(EngineError::new(
            ErrorCode::Unavailable,
            "the sandbox is being changed: try again",
        )))
    }

    async fn write(
        &self,
        wanted: &SandboxRecord,
        durability: Durability,
    ) -> Result<Cas<SandboxRecord>, EngineError> {
        let error = match self.store.sandbox_update(wanted, durability).await {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        // The answer may be what failed: the row tells whether the write was made.
        match self.store.sandbox_get(&wanted.id).await {
            Ok(Some(now)) if now == (SandboxRecord { generation: now.generation, ..wanted.clone() }) => {
                Ok(Cas::Updated(now))
            }
            Ok(Some(now)) if now.generation != wanted.generation => Ok(Cas::Stale(now)),
            _ => Err(error.into()),
        }
    }

    fn remember(&self, record: SandboxRecord) -> Arc<SandboxRecord> {
        let record = Arc::new(record);
        let mut cache = self.cache.write();
        let newer = cache.get(&record.id).is_none_or(|known| known.generation < record.generation);
        if newer {
            self.tell(cache.get(&record.id).map(|known| &**known), Some(&record));
            cache.insert(Arc::clone(&record));
        }
        record
    }

    /// Removes a record whose desired state is deleted.
    pub(crate) async fn remove(&self, id: &SandboxId) -> Result<(), EngineError> {
        self.store.sandbox_remove(id).await?;
        self.forget(id);
        Ok(())
    }

    fn forget(&self, id: &SandboxId) {
        let mut cache = self.cache.write();
        if let Some(gone) = cache.remove(id) {
            self.tell(Some(&gone), None);
        }
    }
}

/// The part of a record that decisions are made on.
pub(crate) fn state(record: &SandboxRecord) -> State {
    State {
        desired: record.desired,
        observed: record.observed,
        operation: record.operation.as_ref().map(|o| o.kind),
        failed: record.failure.is_some(),
    }
}

/// The state that people are shown.
pub(crate) fn shown(record: &SandboxRecord) -> Status {
    status(state(record))
}
