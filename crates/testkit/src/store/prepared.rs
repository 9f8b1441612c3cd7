//! Sandboxes that are made ahead.

use async_trait::async_trait;
use atoll_ports::{Durability, PreparedRecord, PreparedStore, SandboxRecord, StoreError, UID_SLOTS};
use atoll_types::{NodeId, SandboxId};

use super::{FakeStore, Tables};

impl Tables {
    fn prepared_insert(&mut self, prepared: &PreparedRecord) -> Result<PreparedRecord, StoreError> {
        if self.prepared.contains_key(&prepared.id) {
            return Err(StoreError::Conflict { what: "sandbox id" });
        }
        let used = self.used_slots(&prepared.node);
        let free = (0..UID_SLOTS).rev().find(|slot| !used.contains(slot));
        let uid_slot = free.ok_or(StoreError::NoUidSlot)?;
        let stored = PreparedRecord { uid_slot, ..prepared.clone() };
        self.prepared.insert(stored.id.clone(), stored.clone());
        Ok(stored)
    }

    fn prepared_claim(&mut self, record: &SandboxRecord) -> Result<Option<SandboxRecord>, StoreError> {
        let Some(prepared) = self.prepared.get(&record.id) else { return Ok(None) };
        let uid_slot = prepared.uid_slot;
        self.sandbox_insert(record)?;
        self.prepared.remove(&record.id);
        let stored = SandboxRecord { uid_slot, generation: 1, ..record.clone() };
        self.sandboxes.insert(stored.id.clone(), stored.clone());
        Ok(Some(stored))
    }
}

#[async_trait]
impl PreparedStore for FakeStore {
    async fn prepared_insert(&self, prepared: &PreparedRecord) -> Result<PreparedRecord, StoreError> {
        self.run("prepared_insert", |t| t.prepared_insert(prepared)).await
    }

    async fn prepared_claim(
        &self,
        record: &SandboxRecord,
        _durability: Durability,
    ) -> Result<Option<SandboxRecord>, StoreError> {
        self.run("prepared_claim", |t| t.prepared_claim(record)).await
    }

    async fn prepared_remove(&self, id: &SandboxId) -> Result<bool, StoreError> {
        self.run("prepared_remove", |t| Ok(t.prepared.remove(id).is_some())).await
    }

    async fn prepared_list_node(&self, node: &NodeId) -> Result<Vec<PreparedRecord>, StoreError> {
        self.run("prepared_list_node", |t| {
            Ok(t.prepared.values().filter(|p| p.node == *node).cloned().collect())
        })
        .await
    }
}
