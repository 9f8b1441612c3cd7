//! What a process that starts is given.

use atoll_ports::{SandboxRecord, SealError, SecretRecord};
use atoll_types::{EnvVars, EnvironmentId, ErrorCode};

use super::context;
use crate::{Engine, EngineError};

/// What a process is given, by name.
#[derive(Debug)]
pub(crate) struct UsedSecrets {
    pub(crate) environment: EnvironmentId,
    pub(crate) names: Vec<String>,
}

impl Engine {
    /// Lays the secrets of a sandbox's environment over the variables that a process starts with, but for those that the request for the
    /// process names itself. Answers which; none where the sandbox has no environment.
    ///
    /// # Errors
    /// `secret_unreadable`; `unavailable` when the records cannot be read.
    pub(crate) async fn add_secrets(
        &self,
        sandbox: &SandboxRecord,
        own: &EnvVars,
        env: &mut Vec<(String, String)>,
    ) -> Result<Option<UsedSecrets>, EngineError> {
        let Some(environment) = &sandbox.spec.environment else { return Ok(None) };
        let mut used = UsedSecrets { environment: environment.id.clone(), names: Vec::new() };
        for (name, value) in self.secrets_of(&used.environment).await? {
            if own.contains(&name) {
                continue;
            }
            env.retain(|(other, _)| *other != name);
            used.names.push(name.clone());
            env.push((name, value));
        }
        Ok(Some(used))
    }

    /// The secrets of an environment, as variables.
    async fn secrets_of(&self, environment: &EnvironmentId) -> Result<Vec<(String, String)>, EngineError> {
        let sealed = self.inner.ports.store.secret_list(environment).await?;
        sealed.iter().map(|secret| self.opened(secret)).collect()
    }

    pub(crate) fn opened(&self, secret: &SecretRecord) -> Result<(String, String), EngineError> {
        let context = context(&secret.environment, &secret.name);
        let opened = self.inner.ports.seal.open(&context, &secret.sealed);
        let text = opened.and_then(|bytes| String::from_utf8(bytes).map_err(|_| SealError::Broken));
        match text {
            Ok(text) => Ok((secret.name.to_string(), text)),
            Err(error) => {
                let name = &secret.name;
                let text = format!(
                    "the secret {name} of its environment cannot be opened: {error}; set it again, or let the operator put the master key back"
                );
                Err(EngineError::new(ErrorCode::SecretUnreadable, text).because(error))
            }
        }
    }
}
