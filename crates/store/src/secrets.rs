//! The part of the port about secrets.

use async_trait::async_trait;
use atoll_ports::{Durability, SecretRecord, SecretStore, StoreError};
use atoll_types::{EnvironmentId, SecretName};

use crate::SqliteStore;
use crate::query::secrets;
use crate::writer::Steps;

#[async_trait]
impl SecretStore for SqliteStore {
    async fn secret_put(&self, secret: &SecretRecord) -> Result<SecretRecord, StoreError> {
        let secret = secret.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { secrets::put(db, &secret).await })
        });
        act.await
    }

    async fn secret_list(&self, environment: &EnvironmentId) -> Result<Vec<SecretRecord>, StoreError> {
        secrets::list(&self.read, environment).await
    }

    async fn secret_remove(
        &self,
        environment: &EnvironmentId,
        name: &SecretName,
    ) -> Result<bool, StoreError> {
        let (environment, name) = (environment.clone(), name.clone());
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { secrets::remove(db, &environment, &name).await })
        });
        act.await
    }

    async fn secret_list_all(
        &self,
        after: Option<(&EnvironmentId, &SecretName)>,
        limit: u32,
    ) -> Result<Vec<SecretRecord>, StoreError> {
        secrets::list_all(&self.read, after, limit).await
    }

    async fn secret_reseal(&self, secret: &SecretRecord, old: &[u8]) -> Result<bool, StoreError> {
        let (secret, old) = (secret.clone(), old.to_vec());
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { secrets::reseal(db, &secret, old).await })
        });
        act.await
    }
}
