//! Durable records of class links.

use async_trait::async_trait;
use atoll_types::{ClassLinkId, Timestamp, UserId};

use crate::{Page, StoreError};

/// A class link that was given out and not taken back. Durable: without its record a link is good for nothing. The link itself is
/// not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassLinkRecord {
    /// Id; stands in the link.
    pub id: ClassLinkId,
    /// Who made it.
    pub maker: UserId,
    /// Sessions at once of all who have it.
    pub sessions_max: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// Class links. What changes survives the loss of power. [`crate::AccountStore::session_sweep`] removes those that ended.
#[async_trait]
pub trait ClassLinkStore: std::fmt::Debug + Send + Sync {
    /// Adds one.
    async fn class_link_insert(&self, link: &ClassLinkRecord) -> Result<(), StoreError>;
    /// By id.
    async fn class_link_get(&self, id: &ClassLinkId) -> Result<Option<ClassLinkRecord>, StoreError>;
    /// All that there are, newest first.
    async fn class_link_list(
        &self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ClassLinkRecord>, StoreError>;
    /// Removes one; false when there is none.
    async fn class_link_remove(&self, id: &ClassLinkId) -> Result<bool, StoreError>;
}
