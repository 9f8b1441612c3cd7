//! The port.

use async_trait::async_trait;
use atoll_ports::{
    AuditCheck, AuditFilter, AuditRecord, AuditStore, Durability, ExecMinute, Page, StoreError,
};
use atoll_types::{AuditEntry, NodeId, Timestamp};

use super::{Note, verify};
use crate::SqliteStore;
use crate::behind::Item as _;
use crate::query::audit;
use crate::writer::Steps;

#[async_trait]
impl AuditStore for SqliteStore {
    async fn audit_add(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        let notes = entries.into_iter().map(Note::new).collect::<Result<Vec<_>, _>>()?;
        match self.audit.add(notes) {
            left if left.is_empty() => Ok(()),
            left => Note::write(&self.writer, left, false).await,
        }
    }

    async fn audit_list(
        &self,
        filter: &AuditFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<AuditRecord>, StoreError> {
        self.audit.settle(|_| true).await;
        audit::list(&self.read, filter, cursor, limit).await
    }

    async fn audit_verify(&self, node: &NodeId) -> Result<AuditCheck, StoreError> {
        self.audit.settle(|_| true).await;
        verify::verify(&self.read, node).await
    }

    async fn audit_hash(&self, node: &NodeId, seq: u64) -> Result<Option<String>, StoreError> {
        audit::hash(&self.read, node, seq).await
    }

    async fn audit_trim(
        &self,
        node: &NodeId,
        before: Timestamp,
        keep: u64,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.audit.settle(|_| true).await;
        let node = node.clone();
        let act = self.writer.write(Durability::Process, Steps::Many, move |db| {
            Box::pin(async move { audit::trim(db, &node, before, keep, limit).await })
        });
        act.await
    }

    async fn audit_execs_since(&self, since: Timestamp) -> Result<Vec<ExecMinute>, StoreError> {
        self.audit.settle(|_| true).await;
        audit::execs_since(&self.read, since).await
    }
}
