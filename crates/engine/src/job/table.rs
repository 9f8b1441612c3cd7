//! Job records of this node: written through to the store, read from memory; and who drives which.

use std::collections::HashMap;
use std::sync::Arc;

use atoll_ports::JobRecord;
use atoll_types::{ExecId, JobId, JobPhase, SandboxId, bounds};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::Engine;

#[derive(Debug)]
struct Entry {
    record: Arc<JobRecord>,
    /// A driver is at work on it.
    driven: bool,
    /// The driver was asked to look again after it last looked.
    again: bool,
    wake: Arc<Notify>,
    /// Cancelled when the record is gone.
    gone: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<JobId, Entry>,
    /// Jobs that are being made and may have no record yet, by sandbox.
    coming: HashMap<SandboxId, usize>,
}

/// All jobs of this node.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    state: Mutex<State>,
}

impl Jobs {
    /// Takes in a record that is newer than what is known, and answers with the newest.
    pub(crate) fn remember(&self, record: JobRecord) -> Arc<JobRecord> {
        let mut state = self.state.lock();
        let entry = state.entries.entry(record.id.clone()).or_insert_with(|| Entry {
            record: Arc::new(record.clone()),
            driven: false,
            again: false,
            wake: Arc::default(),
            gone: CancellationToken::new(),
        });
        if entry.record.generation < record.generation {
            entry.record = Arc::new(record);
        }
        Arc::clone(&entry.record)
    }

    pub(crate) fn get(&self, id: &JobId) -> Option<Arc<JobRecord>> {
        self.state.lock().entries.get(id).map(|entry| Arc::clone(&entry.record))
    }

    /// The jobs of a sandbox.
    pub(crate) fn of(&self, sandbox: &SandboxId) -> Vec<Arc<JobRecord>> {
        let state = self.state.lock();
        let records = state.entries.values().map(|entry| &entry.record);
        records.filter(|record| record.sandbox == *sandbox).map(Arc::clone).collect()
    }

    /// Jobs that nobody drives.
    pub(crate) fn undriven(&self) -> Vec<Arc<JobRecord>> {
        let state = self.state.lock();
        state.entries.values().filter(|entry| !entry.driven).map(|entry| Arc::clone(&entry.record)).collect()
    }

    /// Whether this is the run of a job that was begun and whose end nobody has looked at.
    pub(crate) fn is_begun(&self, exec: &ExecId) -> bool {
        let begun = |job: &JobRecord| job.phase == JobPhase::Running && job.runs.last() == Some(exec);
        self.state.lock().entries.values().any(|entry| begun(&entry.record))
    }

    /// Cancelled when the job is gone; none when it is.
    pub(super) fn gone(&self, id: &JobId) -> Option<CancellationToken> {
        self.state.lock().entries.get(id).map(|entry| entry.gone.clone())
    }

    /// Forgets a job whose record is gone.
    pub(super) fn remove(&self, id: &JobId) {
        if let Some(entry) = self.state.lock().entries.remove(id) {
            entry.leave();
        }
    }

    /// Forgets the jobs of sandboxes that are gone.
    pub(crate) fn retain(&self, keep: impl Fn(&SandboxId) -> bool) {
        self.state.lock().entries.retain(|_, entry| {
            let kept = keep(&entry.record.sandbox);
            if !kept {
                entry.leave();
            }
            kept
        });
    }

    /// Begins to drive a job. `None` when it is driven already, whose driver then looks again, or is gone.
    pub(super) fn enter(&self, id: &JobId) -> Option<Arc<Notify>> {
        let mut state = self.state.lock();
        let entry = state.entries.get_mut(id)?;
        if entry.driven {
            entry.again = true;
            entry.wake.notify_one();
            return None;
        }
        (entry.driven, entry.again) = (true, false);
        Some(Arc::clone(&entry.wake))
    }

    /// The driver rests; false when it was asked to look again meanwhile.
    pub(super) fn rest(&self, id: &JobId) -> bool {
        let mut state = self.state.lock();
        let Some(entry) = state.entries.get_mut(id) else { return true };
        let again = std::mem::take(&mut entry.again);
        entry.driven = again;
        !again
    }

    /// The driver is no more.
    pub(super) fn abandon(&self, id: &JobId) {
        if let Some(entry) = self.state.lock().entries.get_mut(id) {
            entry.driven = false;
        }
    }
}

impl Entry {
    /// Tells who waits for its end, and its driver.
    fn leave(&self) {
        self.gone.cancel();
        self.wake.notify_one();
    }
}

/// The right to make one job more in a sandbox; given back when dropped, once the job has a record or never will.
#[derive(Debug)]
pub(super) struct Reserved {
    engine: Engine,
    sandbox: SandboxId,
}

impl Reserved {
    /// `None` when the sandbox has as many jobs as it may. Under one lock, so that of many who ask at once no more pass.
    pub(super) fn new(engine: &Engine, sandbox: &SandboxId) -> Option<Self> {
        let mut state = engine.inner.jobs.state.lock();
        let lasting = state.entries.values().filter(|entry| entry.record.sandbox == *sandbox).count();
        let coming = state.coming.get(sandbox).copied().unwrap_or_default();
        if lasting + coming >= bounds::JOBS_MAX {
            return None;
        }
        state.coming.insert(sandbox.clone(), coming + 1);
        Some(Self { engine: engine.clone(), sandbox: sandbox.clone() })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = self.engine.inner.jobs.state.lock();
        if let Some(coming) = state.coming.get_mut(&self.sandbox) {
            *coming -= 1;
            if *coming == 0 {
                state.coming.remove(&self.sandbox);
            }
        }
    }
}
