//! Another master key.
//!
//! ```text
//! make a key and keep it, with the old ones ─► seal every secret anew ─► forget the old ones
//! ```
//! Cut off anywhere, every secret opens with a key that is kept; the next rotation goes on. A secret that is set meanwhile is
//! sealed with the new key.

use atoll_ports::{AuditScope, Role, SecretRecord};
use atoll_types::ErrorCode;

use super::context;
use crate::{Caller, Engine, EngineError};

/// Secrets that are sealed anew between two looks at the store.
const AT_ONCE: u32 = 100;

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Id of the key that seals now.
    pub key: String,
    /// Secrets that were sealed anew.
    pub resealed: u64,
    /// Secrets that no key opens, which stay as they are.
    pub unreadable: u64,
}

impl Engine {
    /// Makes another master key, where Atoll keeps them, and seals every secret with the one that counts.
    ///
    /// # Errors
    /// `forbidden` to all but the role admin.
    pub async fn rotate_master_key(&self, caller: &Caller) -> Result<Rotated, EngineError> {
        if caller.role != Role::Admin {
            let text = "only the role admin may rotate the master key";
            return Err(EngineError::new(ErrorCode::Forbidden, text));
        }
        let engine = self.clone();
        let work = async move { engine.rotate_now().await };
        self.inner.operations.run_detached("rotate master key", AuditScope::carry(work)).await?
    }

    async fn rotate_now(&self) -> Result<Rotated, EngineError> {
        // Two at once would make two keys, and the first to end would forget what the other seals with.
        let _alone = self.inner.rotation.lock().await;
        let seal = &self.inner.ports.seal;
        let mut rotated = Rotated { key: seal.renew()?, resealed: 0, unreadable: 0 };
        let mut last: Option<SecretRecord> = None;
        loop {
            let after = last.as_ref().map(|secret| (&secret.environment, &secret.name));
            let some = self.inner.ports.store.secret_list_all(after, AT_ONCE).await?;
            for secret in &some {
                self.seal_anew(secret, &mut rotated).await?;
            }
            match some.into_iter().next_back() {
                Some(secret) => last = Some(secret),
                None => break,
            }
        }
        // A key that opens nothing any more is no use, and one that is lost cannot be forgotten.
        seal.forget_old()?;
        tracing::info!(
            key.id = rotated.key,
            "the master key {} seals {} secrets anew; {} could not be opened",
            rotated.key,
            rotated.resealed,
            rotated.unreadable
        );
        Ok(rotated)
    }

    async fn seal_anew(&self, secret: &SecretRecord, rotated: &mut Rotated) -> Result<(), EngineError> {
        let seal = &self.inner.ports.seal;
        if seal.is_current(&secret.sealed) {
            return Ok(());
        }
        let context = context(&secret.environment, &secret.name);
        let Ok(plain) = seal.open(&context, &secret.sealed) else {
            rotated.unreadable += 1;
            return Ok(());
        };
        let anew = SecretRecord { sealed: seal.seal(&context, &plain)?, ..secret.clone() };
        // Where another value was set meanwhile, that was sealed with the new key.
        if self.inner.ports.store.secret_reseal(&anew, &secret.sealed).await? {
            rotated.resealed += 1;
        }
        Ok(())
    }
}
