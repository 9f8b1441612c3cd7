//! Records of quotas.

use async_trait::async_trait;
use atoll_types::{QuotaOverride, UserId};

use crate::StoreError;

/// What users were given, and what they have used of it that nothing else counts.
#[async_trait]
pub trait QuotaStore {
    /// Every user who was given something of his own.
    async fn quota_list(&self) -> Result<Vec<(UserId, QuotaOverride)>, StoreError>;
    /// Gives a user something; all absent: nothing of his own any more. Survives the loss of power.
    async fn quota_put(&self, user: &UserId, quota: &QuotaOverride) -> Result<(), StoreError>;
    /// Adds bytes that users sent in a month (as 202611). Users that are gone are left out.
    async fn egress_add(&self, month: u32, sent: Vec<(UserId, u64)>) -> Result<(), StoreError>;
    /// What users sent in a month.
    async fn egress_list(&self, month: u32) -> Result<Vec<(UserId, u64)>, StoreError>;
}
