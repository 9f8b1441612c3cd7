//! The part of the port about environments.

use async_trait::async_trait;
use atoll_ports::{
    Cas, Durability, EnvironmentRecord, EnvironmentStore, EnvironmentVersion, Page, StoreError,
};
use atoll_types::{EnvironmentId, UserId};

use crate::SqliteStore;
use crate::query::environments;
use crate::writer::Steps;

#[async_trait]
impl EnvironmentStore for SqliteStore {
    async fn environment_insert(&self, environment: &EnvironmentRecord) -> Result<(), StoreError> {
        let environment = environment.clone();
        let act = self.writer.write(Durability::Power, Steps::Many, move |db| {
            Box::pin(async move { environments::insert(db, &environment).await })
        });
        act.await
    }

    async fn environment_get(&self, id: &EnvironmentId) -> Result<Option<EnvironmentRecord>, StoreError> {
        environments::get(&self.read, id).await
    }

    async fn environment_list(
        &self,
        owner: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentRecord>, StoreError> {
        environments::list(&self.read, owner, cursor, limit).await
    }

    async fn environment_list_warm(&self, limit: u32) -> Result<Vec<EnvironmentRecord>, StoreError> {
        environments::list_warm(&self.read, limit).await
    }

    async fn environment_count(&self, owner: Option<&UserId>) -> Result<u64, StoreError> {
        environments::count(&self.read, owner).await
    }

    async fn environment_update(
        &self,
        environment: &EnvironmentRecord,
    ) -> Result<Cas<EnvironmentRecord>, StoreError> {
        let environment = environment.clone();
        let act = self.writer.write(Durability::Power, Steps::Many, move |db| {
            Box::pin(async move { environments::update(db, &environment).await })
        });
        act.await
    }

    async fn environment_version(
        &self,
        id: &EnvironmentId,
        version: u32,
    ) -> Result<Option<EnvironmentVersion>, StoreError> {
        environments::version(&self.read, id, version).await
    }

    async fn environment_versions(
        &self,
        id: &EnvironmentId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentVersion>, StoreError> {
        environments::versions(&self.read, id, cursor, limit).await
    }

    async fn environment_remove(&self, id: &EnvironmentId) -> Result<bool, StoreError> {
        let id = id.clone();
        let act = self.writer.write(Durability::Power, Steps::One, move |db| {
            Box::pin(async move { environments::remove(db, &id).await })
        });
        act.await
    }
}
