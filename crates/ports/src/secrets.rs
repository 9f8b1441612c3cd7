//! Durable records of secrets.

use async_trait::async_trait;
use atoll_types::{EnvironmentId, SecretName, Timestamp};

use crate::StoreError;

/// A secret of an environment. Durable: nothing else knows it. Its value is only here, and sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Whose.
    pub environment: EnvironmentId,
    /// Name of the variable.
    pub name: SecretName,
    /// The sealed value.
    pub sealed: Vec<u8>,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last set.
    pub updated_at: Timestamp,
}

/// Durable records of secrets. Every method is atomic; cancel safety as of [`crate::Store`].
#[async_trait]
pub trait SecretStore: std::fmt::Debug + Send + Sync {
    /// Adds a secret, or replaces its value and `updated_at`. Answers with the record as it is now.
    async fn secret_put(&self, secret: &SecretRecord) -> Result<SecretRecord, StoreError>;
    /// Those of an environment, by name.
    async fn secret_list(&self, environment: &EnvironmentId) -> Result<Vec<SecretRecord>, StoreError>;
    /// Removes one; false when there is none.
    async fn secret_remove(&self, environment: &EnvironmentId, name: &SecretName)
    -> Result<bool, StoreError>;
    /// At most so many of all, by environment and name, after this one.
    async fn secret_list_all(
        &self,
        after: Option<(&EnvironmentId, &SecretName)>,
        limit: u32,
    ) -> Result<Vec<SecretRecord>, StoreError>;
    /// Replaces what is sealed, where it is still `old`; false where it is not.
    async fn secret_reseal(&self, secret: &SecretRecord, old: &[u8]) -> Result<bool, StoreError>;
}
