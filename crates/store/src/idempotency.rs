//! The part of the port about requests that may come again.

use async_trait::async_trait;
use atoll_ports::{Durability, IdempotencyRecord, IdempotencyStore, IdempotentAnswer, StoreError};
use atoll_types::{IdempotencyKey, Timestamp, UserId};

use crate::SqliteStore;
use crate::query::idempotency;
use crate::writer::Steps;

#[async_trait]
impl IdempotencyStore for SqliteStore {
    /// Not for [`Durability::Power`]: what the request makes is, after it, and makes this durable as well.
    async fn idempotency_begin(
        &self,
        request: &IdempotencyRecord,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        let request = request.clone();
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { idempotency::begin(db, &request).await })
        });
        act.await
    }

    async fn idempotency_answer(
        &self,
        owner: &UserId,
        key: &IdempotencyKey,
        answer: &IdempotentAnswer,
    ) -> Result<(), StoreError> {
        let (owner, key, answer) = (owner.clone(), key.clone(), answer.clone());
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { idempotency::answer(db, &owner, &key, &answer).await })
        });
        act.await
    }

    async fn idempotency_remove(&self, owner: &UserId, key: &IdempotencyKey) -> Result<(), StoreError> {
        let (owner, key) = (owner.clone(), key.clone());
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { idempotency::remove(db, &owner, &key).await })
        });
        act.await
    }

    async fn idempotency_sweep(&self, before: Timestamp) -> Result<u64, StoreError> {
        let act = self.writer.write(Durability::Process, Steps::One, move |db| {
            Box::pin(async move { idempotency::sweep(db, before).await })
        });
        act.await
    }
}
