//! Setting, naming and removing secrets.

use atoll_ports::{AuditScope, SecretRecord};
use atoll_types::{EnvironmentId, ErrorCode, SecretName, SecretValue};

use super::{SECRETS_MAX, context, not_found};
use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Sets a secret; processes that start from now on have it.
    ///
    /// # Errors
    /// `environment_not_found`, `quota_exceeded`.
    pub async fn secret_set(
        &self,
        caller: &Caller,
        environment: &EnvironmentId,
        name: SecretName,
        value: &SecretValue,
    ) -> Result<SecretRecord, EngineError> {
        self.environment_get(caller, environment).await?;
        let has = self.inner.ports.store.secret_list(environment).await?;
        if has.len() >= SECRETS_MAX && !has.iter().any(|secret| secret.name == name) {
            let text = format!("the environment has {SECRETS_MAX} secrets, as many as it may: delete some");
            return Err(EngineError::new(ErrorCode::QuotaExceeded, text));
        }
        let sealed = self.inner.ports.seal.seal(&context(environment, &name), value.expose().as_bytes())?;
        let now = self.inner.ports.clock.now();
        let environment = environment.clone();
        let secret = SecretRecord { environment, name, sealed, created_at: now, updated_at: now };
        let engine = self.clone();
        let work = async move { engine.inner.ports.store.secret_put(&secret).await };
        Ok(self.inner.operations.run_detached("set secret", AuditScope::carry(work)).await??)
    }

    /// The secrets of an environment, by name; whoever shows them shows no value.
    ///
    /// # Errors
    /// `environment_not_found`.
    pub async fn secret_list(
        &self,
        caller: &Caller,
        environment: &EnvironmentId,
    ) -> Result<Vec<SecretRecord>, EngineError> {
        self.environment_get(caller, environment).await?;
        Ok(self.inner.ports.store.secret_list(environment).await?)
    }

    /// Removes a secret; processes that run keep it.
    ///
    /// # Errors
    /// `environment_not_found`, `secret_not_found`.
    pub async fn secret_delete(
        &self,
        caller: &Caller,
        environment: &EnvironmentId,
        name: &SecretName,
    ) -> Result<(), EngineError> {
        self.environment_get(caller, environment).await?;
        let (engine, environment, name) = (self.clone(), environment.clone(), name.clone());
        let work = async move { engine.inner.ports.store.secret_remove(&environment, &name).await };
        let removed = self.inner.operations.run_detached("delete secret", AuditScope::carry(work)).await??;
        if removed { Ok(()) } else { Err(not_found()) }
    }
}
