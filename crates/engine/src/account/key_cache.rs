//! Keys that were seen in the last seconds, so that a busy client costs no query a request.

use std::collections::HashMap;
use std::time::Duration;

use atoll_ports::ApiKeyRecord;
use atoll_types::{ApiKeyId, BootTime, Timestamp};
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
pub(crate) struct KeyCache {
    entries: Mutex<HashMap<[u8; 32], Entry>>,
}

impl KeyCache {
    pub(crate) fn get(&self, hash: &[u8; 32], now: BootTime) -> Option<(ApiKeyRecord, Caller)> {
        let entries = self.entries.lock();
        let entry = entries.get(hash).filter(|e| now.since(e.seen) < TTL)?;
        Some((entry.record.clone(), entry.caller.clone()))
    }

    pub(crate) fn put(&self, record: ApiKeyRecord, caller: Caller, now: BootTime) {
        let mut entries = self.entries.lock();
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(record.hash, Entry { record, caller, seen: now });
    }

    pub(crate) fn used(&self, id: &ApiKeyId, at: Timestamp) {
        for entry in self.entries.lock().values_mut().filter(|e| e.record.id == *id) {
            entry.record.last_used_at = Some(at);
        }
    }

    pub(crate) fn forget(&self, id: &ApiKeyId) {
        self.entries.lock().retain(|_, e| e.record.id != *id);
    }
}
