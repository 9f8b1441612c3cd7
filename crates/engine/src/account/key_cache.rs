//! Keys that were seen in the last seconds, so that a busy client costs no query a request.

use std::collections::HashMap;
use std::time::Duration;

use atoll_ports::ApiKeyRecord;
use atoll_types::{ApiKeyId, BootTime, Timestamp, UserId};
use parking_lot::Mutex;

use crate::Caller;

/// A key that was revoked by another serve goes on working for so long at most.
const TTL: Duration = Duration::from_secs(5);
/// Keys held; when it is full it is emptied, which costs each key one query.
const ENTRIES_MAX: usize = 10_000;

#[derive(Debug, Clone)]
struct Entry {
    record: ApiKeyRecord,
    caller: Caller,
    seen: BootTime,
}

#[derive(Debug, Default)]
struct Entries {
    by_hash: HashMap<[u8; 32], Entry>,
    /// Grows with every key that is revoked.
    revoked: u64,
}

#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    entries: Mutex<Entries>,
}

impl KeyCache {
    pub(crate) fn get(&self, hash: &[u8; 32], now: BootTime) -> Option<(ApiKeyRecord, Caller)> {
        let entries = self.entries.lock();
        let entry = entries.by_hash.get(hash).filter(|e| now.since(e.seen) < TTL)?;
        Some((entry.record.clone(), entry.caller.clone()))
    }

    /// To be asked for before the store is, and given to [`KeyCache::put`].
    pub(crate) fn revoked(&self) -> u64 {
        self.entries.lock().revoked
    }

    /// Keeps what the store said, unless any key was revoked since it was asked.
    pub(crate) fn put(&self, record: ApiKeyRecord, caller: Caller, now: BootTime, revoked: u64) {
        let mut entries = self.entries.lock();
        if entries.revoked != revoked {
            return;
        }
        if entries.by_hash.len() >= ENTRIES_MAX {
            entries.by_hash.clear();
        }
        entries.by_hash.insert(record.hash, Entry { record, caller, seen: now });
    }

    /// Notes a use, unless one was noted that is `recent`; true when it is to be written down.
    pub(crate) fn note_use(
        &self,
        record: &ApiKeyRecord,
        now: Timestamp,
        recent: impl Fn(Timestamp) -> bool,
    ) -> bool {
        let mut entries = self.entries.lock();
        let last = match entries.by_hash.get_mut(&record.hash) {
            Some(entry) => &mut entry.record.last_used_at,
            None => &mut record.last_used_at.clone(),
        };
        let note = !last.is_some_and(recent);
        if note {
            *last = Some(now);
        }
        note
    }

    pub(crate) fn forget_user(&self, user: &UserId) {
        let mut entries = self.entries.lock();
        entries.revoked += 1;
        entries.by_hash.retain(|_, e| e.record.owner != *user);
    }

    pub(crate) fn forget(&self, id: &ApiKeyId) {
        let mut entries = self.entries.lock();
        entries.revoked += 1;
        entries.by_hash.retain(|_, e| e.record.id != *id);
    }
}
