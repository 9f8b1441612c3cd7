//! Requests that may come again.

use async_trait::async_trait;
use atoll_ports::{IdempotencyRecord, IdempotencyStore, IdempotentAnswer, StoreError};
use atoll_types::{IdempotencyKey, Timestamp, UserId};

use super::{FakeStore, Tables};

impl Tables {
    fn idempotency_begin(
        &mut self,
        request: &IdempotencyRecord,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.owner_exists(&request.owner)?;
        let key = (request.owner.clone(), request.key.clone());
        if let Some(there) = self.idempotency.get(&key) {
            return Ok(Some(there.clone()));
        }
        self.idempotency.insert(key, IdempotencyRecord { answer: None, ..request.clone() });
        Ok(None)
    }

    fn idempotency_sweep(&mut self, before: Timestamp) -> u64 {
        let all = self.idempotency.len();
        self.idempotency.retain(|_, request| request.created_at.as_unix_ms() >= before.as_unix_ms());
        (all - self.idempotency.len()) as u64
    }
}

#[async_trait]
impl IdempotencyStore for FakeStore {
    async fn idempotency_begin(
        &self,
        request: &IdempotencyRecord,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        self.run("idempotency_begin", |t| t.idempotency_begin(request)).await
    }

    async fn idempotency_answer(
        &self,
        owner: &UserId,
        key: &IdempotencyKey,
        answer: &IdempotentAnswer,
    ) -> Result<(), StoreError> {
        self.run("idempotency_answer", |t| {
            if let Some(request) = t.idempotency.get_mut(&(owner.clone(), key.clone())) {
                request.answer = Some(answer.clone());
            }
            Ok(())
        })
        .await
    }

    async fn idempotency_remove(&self, owner: &UserId, key: &IdempotencyKey) -> Result<(), StoreError> {
        self.run("idempotency_remove", |t| {
            t.idempotency.remove(&(owner.clone(), key.clone()));
            Ok(())
        })
        .await
    }

    async fn idempotency_sweep(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.run("idempotency_sweep", |t| Ok(t.idempotency_sweep(before))).await
    }
}
