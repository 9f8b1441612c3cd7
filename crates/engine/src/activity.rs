//! When something last happened in each sandbox, as this serve saw it.

use std::collections::HashMap;
use std::time::Duration;

use atoll_types::{BootTime, SandboxId};
use parking_lot::Mutex;

/// Not durable: after a restart of serve every sandbox counts as just active, which only delays an idle stop.
#[derive(Debug, Default)]
pub(crate) struct ActivityLog {
    last: Mutex<HashMap<SandboxId, BootTime>>,
}

impl ActivityLog {
    /// Something happened.
    pub(crate) fn touch(&self, id: &SandboxId, now: BootTime) {
        self.last.lock().insert(id.clone(), now);
    }

    /// How long nothing has; a sandbox that was never seen begins to count now.
    pub(crate) fn idle(&self, id: &SandboxId, now: BootTime) -> Duration {
        now.since(*self.last.lock().entry(id.clone()).or_insert(now))
    }

    /// Forgets sandboxes that are gone: a late end of an exec may have counted for one.
    pub(crate) fn retain(&self, keep: impl Fn(&SandboxId) -> bool) {
        self.last.lock().retain(|id, _| keep(id));
    }

    /// The sandbox is gone.
    pub(crate) fn forget(&self, id: &SandboxId) {
        self.last.lock().remove(id);
    }
}
