//! The part of the port for sandboxes that are made ahead.

use async_trait::async_trait;
use atoll_ports::{Durability, PreparedRecord, PreparedStore, SandboxRecord, StoreError};
use atoll_types::{NodeId, SandboxId};

use crate::SqliteStore;
use crate::query::prepared;
use crate::writer::Steps;

#[async_trait]
impl PreparedStore for SqliteStore {
    async fn prepared_insert(&self, prepared: &PreparedRecord) -> Result<PreparedRecord, StoreError> {
        let prepared = prepared.clone();
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { prepared::insert(db, prepared).await })
        });
        act.await
    }

    async fn prepared_claim(
        &self,
        record: &SandboxRecord,
        durability: Durability,
    ) -> Result<Option<SandboxRecord>, StoreError> {
        let record = record.clone();
        let act = self.writer.write(durability, Steps::Many, move |db| {
            Box::pin(async move { prepared::claim(db, record).await })
        });
        act.await
    }

    async fn prepared_remove(&self, id: &SandboxId) -> Result<bool, StoreError> {
        let id = id.clone();
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { prepared::remove(db, &id).await })
        });
        act.await
    }

    async fn prepared_list_node(&self, node: &NodeId) -> Result<Vec<PreparedRecord>, StoreError> {
        prepared::list_node(&self.read, node).await
    }
}
