//! Records of sandboxes that are made ahead.

use async_trait::async_trait;
use atoll_types::{ImageSource, NodeId, SandboxId, Timestamp};

use crate::{Durability, SandboxRecord, StoreError};

/// A sandbox that was made ahead and is nobody's yet. Nobody can name it, so nothing ever ran in it. Durable only so that
/// whoever comes after a serve that died finds what it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedRecord {
    /// The id that it has as a sandbox too.
    pub id: SandboxId,
    /// On which machine.
    pub node: NodeId,
    /// Its range of host uids, which no other sandbox of the node has; given by the store on insert.
    pub uid_slot: u32,
    /// The content that it stands on.
    pub source: ImageSource,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Sandboxes that are made ahead.
#[async_trait]
pub trait PreparedStore: std::fmt::Debug + Send + Sync {
    /// Adds one, with a uid slot that nothing else of its node has; `prepared.uid_slot` is ignored. Survives the death of any
    /// process. Answers with the record as it was stored.
    async fn prepared_insert(&self, prepared: &PreparedRecord) -> Result<PreparedRecord, StoreError>;
    /// Makes one somebody's: in one step it is no longer prepared, and a sandbox of this record, with generation 1 and the uid
    /// slot that it has; `record.uid_slot` and `record.generation` are ignored. `None` when there is none of this id.
    async fn prepared_claim(
        &self,
        record: &SandboxRecord,
        durability: Durability,
    ) -> Result<Option<SandboxRecord>, StoreError>;
    /// Removes one, which frees its uid slot; false when there is none.
    async fn prepared_remove(&self, id: &SandboxId) -> Result<bool, StoreError>;
    /// All of a node: never many.
    async fn prepared_list_node(&self, node: &NodeId) -> Result<Vec<PreparedRecord>, StoreError>;
}
