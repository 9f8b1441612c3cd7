//! Log-ins that were seen in the last seconds, so that a request costs no query.

use std::collections::HashMap;
use std::time::Duration;

use atoll_types::{BootTime, SessionId, UserId};
use parking_lot::Mutex;

use crate::Caller;

/// What another serve takes back, or changes of an account, is seen after so long at most; of this one at once.
const TTL: Duration = Duration::from_secs(5);
/// Log-ins held; when it is full it is emptied, which costs each one query.
const ENTRIES_MAX: usize = 10_000;

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<SessionId, (BootTime, Caller)>,
    /// Grows with everything that is taken back.
    revoked: u64,
}

#[derive(Debug, Default)]
pub(crate) struct SessionCache(Mutex<Entries>);

impl SessionCache {
    pub(super) fn get(&self, id: &SessionId, now: BootTime) -> Option<Caller> {
        let entries = self.0.lock();
        entries.by_id.get(id).filter(|(seen, _)| now.since(*seen) < TTL).map(|(_, caller)| caller.clone())
    }

    /// To be asked for before the store is, and given to [`SessionCache::put`].
    pub(super) fn revoked(&self) -> u64 {
        self.0.lock().revoked
    }

    /// Keeps what the store said, unless anything was taken back since it was asked.
    pub(super) fn put(&self, id: SessionId, caller: Caller, now: BootTime, revoked: u64) {
        let mut entries = self.0.lock();
        if entries.revoked != revoked {
            return;
        }
        if entries.by_id.len() >= ENTRIES_MAX {
            entries.by_id.clear();
        }
        entries.by_id.insert(id, (now, caller));
    }

    pub(super) fn forget(&self, id: &SessionId) {
        let mut entries = self.0.lock();
        entries.revoked += 1;
        entries.by_id.remove(id);
    }

    pub(super) fn forget_user(&self, user: &UserId) {
        let mut entries = self.0.lock();
        entries.revoked += 1;
        entries.by_id.retain(|_, (_, caller)| caller.user != *user);
    }
}
