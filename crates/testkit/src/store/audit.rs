//! The audit log. Its hashes are numbers: nobody changes what is only in memory.

use std::cmp::Reverse;

use async_trait::async_trait;
use atoll_ports::{
    AuditCheck, AuditFilter, AuditRecord, AuditScope, AuditStore, ExecMinute, Page, StoreError,
};
use atoll_types::{AuditEntry, AuditOutcome, NodeId, Timestamp};

use super::page::{page, read_newest, write_newest};
use super::{FakeStore, Tables};

/// Calls that change nothing, or nothing that anybody asked for.
const UNSEEN: [&str; 7] = ["_get", "_list", "_by_", "_count", "_used", "_touch", "audit_"];

/// Whether the entry of a request goes with this call.
pub(super) fn is_seen(call: &str) -> bool {
    !["flush", "check"].contains(&call) && !UNSEEN.iter().any(|part| call.contains(part))
}

fn hash(seq: u64) -> String {
    format!("{seq:064x}")
}

/// Whether a list with this filter shows it.
fn fits(filter: &AuditFilter, entry: &AuditEntry) -> bool {
    let action = |wanted: &String| match wanted.strip_suffix('.') {
        Some(area) => entry.action.split('.').next() == Some(area) && entry.action.contains('.'),
        None => entry.action == *wanted,
    };
    filter.user.as_ref().is_none_or(|user| entry.user.as_ref() == Some(user))
        && filter.action.as_ref().is_none_or(action)
        && filter.target.as_ref().is_none_or(|target| entry.target.as_ref() == Some(target))
        && filter.outcome.is_none_or(|outcome| entry.outcome == outcome)
        && filter.since.is_none_or(|since| entry.at >= since)
        && filter.until.is_none_or(|until| entry.at < until)
}

impl Tables {
    pub(super) fn audit_append(&mut self, entries: Vec<AuditEntry>) {
        for entry in entries {
            let seq = self.audit_last.entry(entry.node.clone()).or_default();
            *seq += 1;
            self.audit.push(AuditRecord { seq: *seq, hash: hash(*seq), entry });
        }
    }

    fn audit_list(
        &self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<AuditRecord>, StoreError> {
        let found = self.audit.iter().filter(|record| fits(filter, &record.entry)).cloned().collect();
        let key =
            |r: &AuditRecord| Reverse((i64::try_from(r.seq).unwrap_or(i64::MAX), r.entry.node.to_string()));
        page("a", found, key, write_newest, read_newest, cursor, limit)
    }

    fn audit_check(&self, node: &NodeId) -> AuditCheck {
        let held: Vec<u64> = self.audit.iter().filter(|r| r.entry.node == *node).map(|r| r.seq).collect();
        let last_seq = self.audit_last.get(node).copied().unwrap_or_default();
        AuditCheck {
            entries: held.len() as u64,
            first_seq: held.first().copied().unwrap_or(last_seq + 1),
            last_seq,
            last_hash: hash(last_seq),
            broken: None,
        }
    }

    fn audit_trim(&mut self, node: &NodeId, before: Timestamp, keep: u64, limit: u32) -> u64 {
        let last = self.audit_last.get(node).copied().unwrap_or_default();
        let oldest: Vec<&AuditRecord> =
            self.audit.iter().filter(|r| r.entry.node == *node).take(limit as usize).collect();
        let old = |r: &&&AuditRecord| r.entry.at < before || r.seq + keep <= last;
        let Some(upto) = oldest.iter().rev().find(old).map(|r| r.seq) else { return 0 };
        let held = self.audit.len();
        self.audit.retain(|r| r.entry.node != *node || r.seq > upto);
        (held - self.audit.len()) as u64
    }

    fn audit_execs_since(&self, since: Timestamp) -> Vec<ExecMinute> {
        let started = |e: &&AuditEntry| {
            e.action == "exec.start" && e.outcome == AuditOutcome::Accepted && e.at >= since
        };
        let minute = |e: &AuditEntry| {
            let (user, sandbox) = (e.user.clone()?, e.target.clone()?);
            Some(ExecMinute { user, sandbox, minute: e.at.as_unix_ms() / 60_000, count: 1 })
        };
        self.audit.iter().map(|r| &r.entry).filter(started).filter_map(minute).collect()
    }
}

impl FakeStore {
    /// What the current request has to say, if this call changes something.
    pub(super) fn scope_of(call: &str) -> Option<AuditScope> {
        AuditScope::current().filter(|_| is_seen(call))
    }
}

#[async_trait]
impl AuditStore for FakeStore {
    async fn audit_add(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        self.run("audit_add", |t| {
            t.audit_append(entries);
            Ok(())
        })
        .await
    }

    async fn audit_list(
        &self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<AuditRecord>, StoreError> {
        self.run("audit_list", |t| t.audit_list(filter, cursor, limit)).await
    }

    async fn audit_verify(&self, node: &NodeId) -> Result<AuditCheck, StoreError> {
        self.run("audit_verify", |t| Ok(t.audit_check(node))).await
    }

    async fn audit_hash(&self, node: &NodeId, seq: u64) -> Result<Option<String>, StoreError> {
        let held = |t: &mut Tables| t.audit.iter().any(|r| r.entry.node == *node && r.seq == seq);
        self.run("audit_hash", |t| Ok(held(t).then(|| hash(seq)))).await
    }

    async fn audit_trim(
        &self,
        node: &NodeId,
        before: Timestamp,
        keep: u64,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.quiet(|t| Ok(t.audit_trim(node, before, keep, limit)))
    }

    async fn audit_execs_since(&self, since: Timestamp) -> Result<Vec<ExecMinute>, StoreError> {
        self.quiet(|t| Ok(t.audit_execs_since(since)))
    }
}
