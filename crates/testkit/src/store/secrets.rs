//! Secrets of environments.

use async_trait::async_trait;
use atoll_ports::{SecretRecord, SecretStore, StoreError};
use atoll_types::{EnvironmentId, SecretName};

use super::{FakeStore, Tables};

impl Tables {
    fn secret_put(&mut self, secret: &SecretRecord) -> Result<SecretRecord, StoreError> {
        if !self.environments.contains_key(&secret.environment) {
            return Err(StoreError::Absent { what: "environment" });
        }
        let key = (secret.environment.clone(), secret.name.clone());
        let stored = self.secrets.entry(key).or_insert_with(|| secret.clone());
        stored.sealed = secret.sealed.clone();
        stored.updated_at = secret.updated_at;
        Ok(stored.clone())
    }

    fn secret_reseal(&mut self, secret: &SecretRecord, old: &[u8]) -> bool {
        let key = (secret.environment.clone(), secret.name.clone());
        let Some(stored) = self.secrets.get_mut(&key).filter(|stored| stored.sealed == old) else {
            return false;
        };
        stored.sealed = secret.sealed.clone();
        true
    }
}

#[async_trait]
impl SecretStore for FakeStore {
    async fn secret_put(&self, secret: &SecretRecord) -> Result<SecretRecord, StoreError> {
        self.run("secret_put", |t| t.secret_put(secret)).await
    }

    async fn secret_list(&self, environment: &EnvironmentId) -> Result<Vec<SecretRecord>, StoreError> {
        let of =
            |t: &mut Tables| t.secrets.values().filter(|s| s.environment == *environment).cloned().collect();
        self.run("secret_list", |t| Ok(of(t))).await
    }

    async fn secret_remove(
        &self,
        environment: &EnvironmentId,
        name: &SecretName,
    ) -> Result<bool, StoreError> {
        let key = (environment.clone(), name.clone());
        self.run("secret_remove", |t| Ok(t.secrets.remove(&key).is_some())).await
    }

    async fn secret_list_all(
        &self,
        after: Option<(&EnvironmentId, &SecretName)>,
        limit: u32,
    ) -> Result<Vec<SecretRecord>, StoreError> {
        let after = after.map(|(environment, name)| (environment.clone(), name.clone()));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let some = |t: &mut Tables| {
            let behind = t.secrets.iter().filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
            behind.take(limit).map(|(_, secret)| secret.clone()).collect()
        };
        self.run("secret_list_all", |t| Ok(some(t))).await
    }

    async fn secret_reseal(&self, secret: &SecretRecord, old: &[u8]) -> Result<bool, StoreError> {
        self.run("secret_reseal", |t| Ok(t.secret_reseal(secret, old))).await
    }
}
