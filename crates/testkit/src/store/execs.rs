//! Execs.

use std::cmp::Reverse;

use atoll_ports::{ExecFilter, ExecOutcome, ExecRecord, Page, StoreError};
use atoll_types::{ExecId, ExecStatus, NodeId, SandboxId, Timestamp};

use super::page::{page, read_newest, write_newest};
use super::{Tables, impossible};

/// Whether the table's constraints would take this outcome: an exit goes with an end of its own or by time, and only
/// with those; its flag says the same as the status.
fn possible(outcome: &ExecOutcome) -> bool {
    match (outcome.status, &outcome.exit) {
        (ExecStatus::Running, _) => false,
        (ExecStatus::Exited, exit) => exit.as_ref().is_some_and(|e| !e.timed_out),
        (ExecStatus::TimedOut, exit) => exit.as_ref().is_some_and(|e| e.timed_out),
        (ExecStatus::Lost | ExecStatus::Failed, exit) => exit.is_none(),
    }
}

impl Tables {
    pub(super) fn exec_insert(&mut self, exec: &ExecRecord) -> Result<(), StoreError> {
        if !self.sandboxes.contains_key(&exec.sandbox) {
            return Err(StoreError::Absent { what: "sandbox" });
        }
        if self.execs.contains_key(&exec.id) {
            return Err(StoreError::Conflict { what: "exec id" });
        }
        let whole = match &exec.outcome {
            None => exec.status == ExecStatus::Running,
            Some(outcome) => outcome.status == exec.status && possible(outcome),
        };
        if !whole {
            return Err(impossible("add an exec"));
        }
        self.execs.insert(exec.id.clone(), exec.clone());
        Ok(())
    }

    pub(super) fn exec_finish(&mut self, exec: &ExecRecord) -> Result<(), StoreError> {
        let outcome =
            exec.outcome.as_ref().filter(|o| possible(o)).ok_or_else(|| impossible("finish an exec"))?;
        if !self.sandboxes.contains_key(&exec.sandbox) {
            return Err(StoreError::Absent { what: "sandbox" });
        }
        let ended = ExecRecord { status: outcome.status, ..exec.clone() };
        let stored = self.execs.entry(exec.id.clone()).or_insert_with(|| ended.clone());
        if stored.sandbox != exec.sandbox {
            return Err(StoreError::Conflict { what: "exec id" });
        }
        if stored.status == ExecStatus::Running {
            stored.status = ended.status;
            stored.outcome = ended.outcome;
        }
        Ok(())
    }

    pub(super) fn exec_list(
        &self,
        sandbox: &SandboxId,
        filter: &ExecFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ExecRecord>, StoreError> {
        let fits = |e: &&ExecRecord| {
            e.sandbox == *sandbox
                && filter.status.is_none_or(|status| status == e.status)
                && filter.kind.is_none_or(|kind| kind == e.kind)
        };
        let found = self.execs.values().filter(fits).cloned().collect();
        let key = |e: &ExecRecord| Reverse((e.created_at.as_unix_ms(), e.id.to_string()));
        page("e", found, key, write_newest, read_newest, cursor, limit)
    }

    pub(super) fn exec_list_running(&self, node: &NodeId) -> Vec<ExecRecord> {
        let here = |e: &&ExecRecord| {
            e.status == ExecStatus::Running && self.sandboxes.get(&e.sandbox).is_some_and(|s| s.node == *node)
        };
        self.execs.values().filter(here).cloned().collect()
    }

    pub(super) fn exec_finish_all(
        &mut self,
        sandbox: &SandboxId,
        outcome: &ExecOutcome,
    ) -> Result<u64, StoreError> {
        if !possible(outcome) {
            return Err(impossible("finish the execs of a sandbox"));
        }
        let mut count = 0;
        for exec in self.execs.values_mut() {
            if exec.sandbox == *sandbox && exec.status == ExecStatus::Running {
                exec.status = outcome.status;
                exec.outcome = Some(outcome.clone());
                count += 1;
            }
        }
        Ok(count)
    }

    pub(super) fn exec_sweep(&mut self, finished_before: Timestamp, limit: u32) -> Vec<(SandboxId, ExecId)> {
        let mut old: Vec<_> = self
            .execs
            .values()
            .filter_map(|e| Some((e.outcome.as_ref()?.finished_at, e.id.clone(), e.sandbox.clone())))
            .filter(|(finished_at, ..)| *finished_at < finished_before)
            .collect();
        old.sort();
        old.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        for (_, id, _) in &old {
            self.execs.remove(id);
        }
        old.into_iter().map(|(_, id, sandbox)| (sandbox, id)).collect()
    }
}
