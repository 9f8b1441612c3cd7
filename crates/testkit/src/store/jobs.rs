//! Background jobs.

use std::cmp::Reverse;

use atoll_ports::{Cas, JobRecord, Page, StoreError};
use atoll_types::{JobDesired, JobId, NodeId, SandboxId, bounds};

use super::page::{page, read_newest, write_newest};
use super::{Tables, impossible};

/// Whether the table's constraints would take it.
fn possible(job: &JobRecord) -> bool {
    job.starts >= 1 && (1..=bounds::JOB_RUNS_MAX).contains(&job.runs.len())
}

impl Tables {
    pub(super) fn job_insert(&mut self, job: &JobRecord) -> Result<(), StoreError> {
        if !self.sandboxes.contains_key(&job.sandbox) {
            return Err(StoreError::Absent { what: "sandbox" });
        }
        if self.jobs.contains_key(&job.id) {
            return Err(StoreError::Conflict { what: "job id" });
        }
        if !possible(job) {
            return Err(impossible("add a job"));
        }
        self.jobs.insert(job.id.clone(), JobRecord { generation: 1, ..job.clone() });
        Ok(())
    }

    pub(super) fn job_list(
        &self,
        sandbox: &SandboxId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<JobRecord>, StoreError> {
        let found = self.jobs.values().filter(|j| j.sandbox == *sandbox).cloned().collect();
        let key = |j: &JobRecord| Reverse((j.created_at.as_unix_ms(), j.id.to_string()));
        page("j", found, key, write_newest, read_newest, cursor, limit)
    }

    pub(super) fn job_list_node(&self, node: &NodeId) -> Vec<JobRecord> {
        let here = |j: &&JobRecord| self.sandboxes.get(&j.sandbox).is_some_and(|s| s.node == *node);
        self.jobs.values().filter(here).cloned().collect()
    }

    pub(super) fn job_update(&mut self, job: &JobRecord) -> Result<Cas<JobRecord>, StoreError> {
        let stored = self.jobs.get_mut(&job.id).filter(|stored| stored.sandbox == job.sandbox);
        let Some(stored) = stored else { return Ok(Cas::Absent) };
        if stored.generation != job.generation {
            return Ok(Cas::Stale(stored.clone()));
        }
        if !possible(job) {
            return Err(impossible("update a job"));
        }
        *stored = JobRecord {
            generation: stored.generation + 1,
            spec: stored.spec.clone(),
            created_at: stored.created_at,
            ..job.clone()
        };
        Ok(Cas::Updated(stored.clone()))
    }

    pub(super) fn job_remove(&mut self, sandbox: &SandboxId, id: &JobId) -> bool {
        let gone = |j: &JobRecord| j.sandbox == *sandbox && j.desired == JobDesired::Deleted;
        self.jobs.get(id).is_some_and(gone) && self.jobs.remove(id).is_some()
    }
}
