//! Durable records of requests that may come again.

use async_trait::async_trait;
use atoll_types::{IdempotencyKey, Timestamp, UserId};

use crate::StoreError;

/// A request that may come again. Durable: what it made may not be made twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// Who asked.
    pub owner: UserId,
    /// Under which key.
    pub key: IdempotencyKey,
    /// SHA-256 of what was asked.
    pub request: [u8; 32],
    /// What was answered, once it was.
    pub answer: Option<IdempotentAnswer>,
    /// When it came.
    pub created_at: Timestamp,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body, sealed: it may hold a key that is shown once.
    pub sealed: Vec<u8>,
}

/// Durable records of requests that may come again. Every method is atomic; cancel safety as of [`crate::Store`].
#[async_trait]
pub trait IdempotencyStore: std::fmt::Debug + Send + Sync {
    /// Adds a request without an answer. Where the owner's key is there already, nothing changes, and the answer is that record.
    async fn idempotency_begin(
        &self,
        request: &IdempotencyRecord,
    ) -> Result<Option<IdempotencyRecord>, StoreError>;
    /// Notes the answer; nothing where there is no such request.
    async fn idempotency_answer(
        &self,
        owner: &UserId,
        key: &IdempotencyKey,
        answer: &IdempotentAnswer,
    ) -> Result<(), StoreError>;
    /// Removes one.
    async fn idempotency_remove(&self, owner: &UserId, key: &IdempotencyKey) -> Result<(), StoreError>;
    /// Removes all that came before; how many.
    async fn idempotency_sweep(&self, before: Timestamp) -> Result<u64, StoreError>;
}
