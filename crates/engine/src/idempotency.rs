//! Requests that may come again and are carried out once.
//!
//! ```text
//! note the request ─► carry it out ─► note its answer         again: the noted answer
//!                          └─ refused ─► forget the request    again: it is carried out anew
//! ```
//! Cut off in the middle by the death of serve, nobody knows what it made: then it is neither answered nor carried out again, and
//! whoever asks is told to look. Both notes are in the store, so a restart changes nothing else. Answers are sealed: one may hold a key that is shown
//! once.

use std::collections::HashSet;
use std::time::Duration;

use atoll_ports::{IdempotencyRecord, IdempotentAnswer};
use atoll_types::{ErrorCode, IdempotencyKey, Timestamp, UserId};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::{Caller, Engine, EngineError};

/// Time for which an answer is given again: a day, as clients expect.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Requests that are being carried out.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<HashSet<(UserId, IdempotencyKey)>>);

/// One of them, until it is dropped.
struct Place<'a>(&'a InFlight, (UserId, IdempotencyKey));

impl InFlight {
    fn enter(&self, owner: &UserId, key: &IdempotencyKey) -> Option<Place<'_>> {
        let place = (owner.clone(), key.clone());
        self.0.lock().insert(place.clone()).then(|| Place(self, place))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}

/// What came of a request.
#[derive(Debug)]
pub enum Repeatable<R> {
    /// It was carried out, now or before.
    Done {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Vec<u8>,
        /// Whether it was carried out before.
        again: bool,
    },
    /// It was refused, and nothing is kept of it.
    Refused(R),
}

/// Why a request has no answer to keep.
#[derive(Debug)]
pub struct Refusal<R> {
    /// What it is answered with.
    pub answer: R,
    /// Whether it made something all the same, so that it must not be carried out again.
    pub made: bool,
}

/// A context of its own for each owner and key.
fn context(owner: &UserId, key: &IdempotencyKey) -> Vec<u8> {
    format!("answer\0{owner}\0{key}").into_bytes()
}

impl Engine {
    /// Carries a request out, unless it was before under this key. `asked` is all of it. Goes on when the caller has gone.
    ///
    /// # Errors
    /// `idempotency_mismatch`, `idempotency_in_progress`, `idempotency_interrupted`.
    pub async fn idempotent<R: Send + 'static>(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        asked: &[&[u8]],
        work: impl Future<Output = Result<(u16, Vec<u8>), Refusal<R>>> + Send + 'static,
    ) -> Result<Repeatable<R>, EngineError> {
        let mut hash = Sha256::new();
        for part in asked {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let request = IdempotencyRecord {
            owner: caller.user.clone(),
            key,
            request: hash.finalize().into(),
            answer: None,
            created_at: self.inner.ports.clock.now(),
        };
        let engine = self.clone();
        let run = async move { engine.carry_out_once(request, work).await };
        self.inner.operations.run_detached("idempotent request", run).await?
    }

    async fn carry_out_once<R>(
        &self,
        request: IdempotencyRecord,
        work: impl Future<Output = Result<(u16, Vec<u8>), Refusal<R>>> + Send,
    ) -> Result<Repeatable<R>, EngineError> {
        let Some(_place) = self.inner.in_flight.enter(&request.owner, &request.key) else {
            let text = "a request with this Idempotency-Key is being carried out: ask again in a moment";
            return Err(EngineError::new(ErrorCode::IdempotencyInProgress, text));
        };
        let store = &self.inner.ports.store;
        if let Some(before) = store.idempotency_begin(&request).await? {
            return self.answer_again(&request, before);
        }
        match work.await {
            Ok((status, body)) => {
                let sealed = self.inner.ports.seal.seal(&context(&request.owner, &request.key), &body)?;
                let answer = IdempotentAnswer { status, sealed };
                if let Err(error) = store.idempotency_answer(&request.owner, &request.key, &answer).await {
                    // It was made, and whoever asked is told; only a repetition will not be.
                    tracing::warn!("the answer to a request could not be kept for its repetition: {error}");
                }
                Ok(Repeatable::Done { status, body, again: false })
            }
            // The next one is told that it must look.
            Err(Refusal { answer, made: true }) => Ok(Repeatable::Refused(answer)),
            Err(Refusal { answer, made: false }) => {
                store.idempotency_remove(&request.owner, &request.key).await?;
                Ok(Repeatable::Refused(answer))
            }
        }
    }

    fn answer_again<R>(
        &self,
        request: &IdempotencyRecord,
        before: IdempotencyRecord,
    ) -> Result<Repeatable<R>, EngineError> {
        if before.request != request.request {
            let text = "this Idempotency-Key was given with another request: take a new one for each thing to be made";
            return Err(EngineError::new(ErrorCode::IdempotencyMismatch, text));
        }
        let interrupted = || {
            let text = "the first request with this Idempotency-Key was cut off, and what it made is not known: look, and take a new key";
            EngineError::new(ErrorCode::IdempotencyInterrupted, text)
        };
        let IdempotentAnswer { status, sealed } = before.answer.ok_or_else(interrupted)?;
        // A master key that was rotated away since is the only reason.
        let body = self.inner.ports.seal.open(&context(&request.owner, &request.key), &sealed);
        let body = body.map_err(|error| interrupted().because(error))?;
        Ok(Repeatable::Done { status, body, again: true })
    }

    /// Forgets requests that are too old to come again.
    pub(crate) async fn sweep_idempotency(&self) -> Result<(), EngineError> {
        let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_unix_ms(self.inner.ports.clock.now().as_unix_ms().saturating_sub(kept));
        self.inner.ports.store.idempotency_sweep(before).await?;
        Ok(())
    }
}
