//! Durable records of environments.

use async_trait::async_trait;
use atoll_types::{EnvironmentId, EnvironmentName, SandboxTemplate, Timestamp, UserId};

use crate::{Cas, Page, StoreError};

/// An environment with its newest version. Durable: nothing else knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentRecord {
    /// Id.
    pub id: EnvironmentId,
    /// Whose.
    pub owner: UserId,
    /// Name for people.
    pub name: EnvironmentName,
    /// Number of the newest version, from 1; grows by one with each.
    pub version: u32,
    /// What the newest version defines.
    pub template: SandboxTemplate,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the newest version was made.
    pub updated_at: Timestamp,
}

/// One version of an environment; never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentVersion {
    /// Its number.
    pub version: u32,
    /// What it defines.
    pub template: SandboxTemplate,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Durable records of environments. Every method is atomic; cancel safety as of [`crate::Store`].
#[async_trait]
pub trait EnvironmentStore: std::fmt::Debug + Send + Sync {
    /// Adds an environment with its first version, whatever number the record has.
    async fn environment_insert(&self, environment: &EnvironmentRecord) -> Result<(), StoreError>;
    /// By id.
    async fn environment_get(&self, id: &EnvironmentId) -> Result<Option<EnvironmentRecord>, StoreError>;
    /// One user's, newest first.
    async fn environment_list(
        &self,
        owner: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentRecord>, StoreError>;
    /// Those of all users whose newest version keeps sandboxes ready, oldest first, at most so many.
    async fn environment_list_warm(&self, limit: u32) -> Result<Vec<EnvironmentRecord>, StoreError>;
    /// How many a user has; without one, how many there are.
    async fn environment_count(&self, owner: Option<&UserId>) -> Result<u64, StoreError>;
    /// Adds a version with this name, template and `updated_at` if the newest is still `environment.version`, with the next number.
    async fn environment_update(
        &self,
        environment: &EnvironmentRecord,
    ) -> Result<Cas<EnvironmentRecord>, StoreError>;
    /// One version.
    async fn environment_version(
        &self,
        id: &EnvironmentId,
        version: u32,
    ) -> Result<Option<EnvironmentVersion>, StoreError>;
    /// Versions, newest first.
    async fn environment_versions(
        &self,
        id: &EnvironmentId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentVersion>, StoreError>;
    /// Removes an environment with its versions; false when there is none.
    /// [`StoreError::Conflict`] while a sandbox was made of it.
    async fn environment_remove(&self, id: &EnvironmentId) -> Result<bool, StoreError>;
}
