//! Who is running, in one group: the gate that proves that all have stopped.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Nothing is begun any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the program is stopping")]
pub struct ShuttingDown;

/// A task as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskInfo {
    /// Name of its group.
    pub group: &'static str,
    /// Its own name.
    pub name: String,
    /// How long it has run.
    pub age: Duration,
}

#[derive(Debug)]
struct Entry {
    name: Cow<'static, str>,
    since: Instant,
    // None until it is spawned, and for tasks that are to be waited for.
    abort: Option<AbortHandle>,
    abort_on_cancel: bool,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
pub(crate) struct Registry {
    group: &'static str,
    state: Mutex<State>,
    // Told whenever the last task has gone.
    empty: Notify,
}

/// A task's place in the registry; it leaves when this is dropped, however the task ends.
#[derive(Debug)]
pub(crate) struct Place {
    registry: Arc<Registry>,
    key: u64,
}

impl Registry {
    pub(crate) fn new(group: &'static str) -> Arc<Self> {
        Arc::new(Self { group, state: Mutex::default(), empty: Notify::new() })
    }

    /// Enters a task. Checked and entered under one lock, so that nothing slips in behind [`Registry::close`].
    pub(crate) fn enter(
        self: &Arc<Self>,
        name: Cow<'static, str>,
        abort_on_cancel: bool,
    ) -> Result<Place, ShuttingDown> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(ShuttingDown);
        }
        let key = state.next;
        state.next += 1;
        state.entries.insert(key, Entry { name, since: Instant::now(), abort: None, abort_on_cancel });
        Ok(Place { registry: Arc::clone(self), key })
    }

    /// Gives the handle of a task that was entered, unless it has ended already. A group that was closed in between
    /// aborts it now, since [`Registry::close`] had no handle to do it with.
    pub(crate) fn spawned(&self, key: u64, abort: AbortHandle) {
        let mut state = self.state.lock();
        let closed = state.closed;
        if let Some(entry) = state.entries.get_mut(&key) {
            if closed && entry.abort_on_cancel {
                abort.abort();
            }
            entry.abort = Some(abort);
        }
    }

    /// Lets nothing in any more, and aborts what may be aborted.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        for entry in state.entries.values().filter(|entry| entry.abort_on_cancel) {
            if let Some(abort) = &entry.abort {
                abort.abort();
            }
        }
    }

    /// Aborts everything that is left; answers who that was.
    pub(crate) fn abort_all(&self) -> Vec<TaskInfo> {
        let state = self.state.lock();
        for entry in state.entries.values() {
            if let Some(abort) = &entry.abort {
                abort.abort();
            }
        }
        self.infos(&state)
    }

    /// Who is running.
    pub(crate) fn running(&self) -> Vec<TaskInfo> {
        self.infos(&self.state.lock())
    }

    /// Returns when nobody is running. Cancel safe: it only waits.
    pub(crate) async fn wait_empty(&self) {
        loop {
            let notified = self.empty.notified();
            tokio::pin!(notified);
            // Registered before the look at the state, so that the last one's leaving cannot be missed.
            notified.as_mut().enable();
            if self.state.lock().entries.is_empty() {
                return;
            }
            notified.await;
        }
    }

    fn infos(&self, state: &State) -> Vec<TaskInfo> {
        let info = |entry: &Entry| TaskInfo {
            group: self.group,
            name: entry.name.to_string(),
            age: Instant::now().duration_since(entry.since),
        };
        state.entries.values().map(info).collect()
    }
}

impl Place {
    pub(crate) fn key(&self) -> u64 {
        self.key
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.registry.state.lock();
        let entry = state.entries.remove(&self.key);
        if state.entries.is_empty() {
            self.registry.empty.notify_waiters();
        }
        // The entry is dropped outside of the lock: an abort handle runs code of tokio.
        drop(state);
        drop(entry);
    }
}
