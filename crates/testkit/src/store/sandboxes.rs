//! Sandboxes.

use std::cmp::Reverse;
use std::collections::HashSet;

use atoll_ports::{Cas, Page, SandboxFilter, SandboxRecord, StoreError, UID_SLOTS};
use atoll_types::{Desired, NodeId, SandboxId};

use super::Tables;
use super::page::{page, read_newest, write_newest};

impl Tables {
    pub(super) fn sandbox_insert(&mut self, record: &SandboxRecord) -> Result<SandboxRecord, StoreError> {
        self.owner_exists(&record.owner)?;
        if self.sandboxes.contains_key(&record.id) {
            return Err(StoreError::Conflict { what: "sandbox id" });
        }
        if let Some(environment) = &record.spec.environment {
            let stored = self.environments.get(&environment.id);
            if !stored.is_some_and(|(_, all)| all.iter().any(|v| v.version == environment.version)) {
                return Err(StoreError::Absent { what: "environment" });
            }
        }
        let uid_slot = self.free_slot(&record.node).ok_or(StoreError::NoUidSlot)?;
        let stored = SandboxRecord { uid_slot, generation: 1, ..record.clone() };
        self.sandboxes.insert(stored.id.clone(), stored.clone());
        Ok(stored)
    }

    fn free_slot(&self, node: &NodeId) -> Option<u32> {
        let used = self.used_slots(node);
        (0..UID_SLOTS).find(|slot| !used.contains(slot))
    }

    pub(super) fn used_slots(&self, node: &NodeId) -> HashSet<u32> {
        let lasting = self.sandboxes.values().filter(|s| s.node == *node).map(|s| s.uid_slot);
        let prepared = self.prepared.values().filter(|p| p.node == *node).map(|p| p.uid_slot);
        lasting.chain(prepared).collect()
    }

    pub(super) fn sandbox_list(
        &self,
        filter: &SandboxFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<SandboxRecord>, StoreError> {
        let fits = |s: &&SandboxRecord| {
            filter.owner.as_ref().is_none_or(|owner| *owner == s.owner)
                && filter
                    .environment
                    .as_ref()
                    .is_none_or(|id| s.spec.environment.as_ref().is_some_and(|e| e.id == *id))
                && filter.labels.iter().all(|(k, v)| s.spec.labels.get(k) == Some(v))
        };
        let found = self.sandboxes.values().filter(fits).cloned().collect();
        let key = |s: &SandboxRecord| Reverse((s.created_at.as_unix_ms(), s.id.to_string()));
        page("s", found, key, write_newest, read_newest, cursor, limit)
    }

    pub(super) fn sandbox_list_node(&self, node: &NodeId) -> Vec<SandboxRecord> {
        self.sandboxes.values().filter(|s| s.node == *node).cloned().collect()
    }

    pub(super) fn sandbox_update(
        &mut self,
        record: &SandboxRecord,
    ) -> Result<Cas<SandboxRecord>, StoreError> {
        let Some(stored) = self.sandboxes.get_mut(&record.id) else { return Ok(Cas::Absent) };
        if stored.generation != record.generation {
            return Ok(Cas::Stale(stored.clone()));
        }
        stored.desired = record.desired;
        stored.observed = record.observed;
        stored.operation.clone_from(&record.operation);
        stored.stop_reason = record.stop_reason;
        stored.failure.clone_from(&record.failure);
        stored.lifetime.clone_from(&record.lifetime);
        stored.started_at = record.started_at;
        stored.boot_id.clone_from(&record.boot_id);
        stored.host_ports.clone_from(&record.host_ports);
        stored.generation += 1;
        Ok(Cas::Updated(stored.clone()))
    }

    pub(super) fn sandbox_remove(&mut self, id: &SandboxId) -> bool {
        if self.sandboxes.get(id).is_none_or(|s| s.desired != Desired::Deleted) {
            return false;
        }
        self.execs.retain(|_, e| e.sandbox != *id);
        self.jobs.retain(|_, j| j.sandbox != *id);
        self.sandboxes.remove(id).is_some()
    }
}
