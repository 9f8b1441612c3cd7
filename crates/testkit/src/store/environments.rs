//! Environments.

use std::cmp::Reverse;

use async_trait::async_trait;
use atoll_ports::{Cas, EnvironmentRecord, EnvironmentStore, EnvironmentVersion, Page, StoreError};
use atoll_types::{EnvironmentId, UserId};

use super::page::{page, read_newest, write_newest};
use super::{FakeStore, Tables};

/// An environment and all of its versions, oldest first.
pub(super) type Stored = (EnvironmentRecord, Vec<EnvironmentVersion>);

fn version_of(record: &EnvironmentRecord) -> EnvironmentVersion {
    EnvironmentVersion {
        version: record.version,
        template: record.template.clone(),
        created_at: record.updated_at,
    }
}

impl Tables {
    fn environment_insert(&mut self, environment: &EnvironmentRecord) -> Result<(), StoreError> {
        self.owner_exists(&environment.owner)?;
        if self.environments.contains_key(&environment.id) {
            return Err(StoreError::Conflict { what: "environment id" });
        }
        let first = EnvironmentRecord { version: 1, ..environment.clone() };
        let versions = vec![version_of(&first)];
        self.environments.insert(first.id.clone(), (first, versions));
        Ok(())
    }

    fn environment_list(
        &self,
        owner: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentRecord>, StoreError> {
        let mine = self.environments.values().map(|(record, _)| record).filter(|e| e.owner == *owner);
        let key = |e: &EnvironmentRecord| Reverse((e.created_at.as_unix_ms(), e.id.to_string()));
        page("n", mine.cloned().collect(), key, write_newest, read_newest, cursor, limit)
    }

    fn environment_update(&mut self, environment: &EnvironmentRecord) -> Cas<EnvironmentRecord> {
        let Some((stored, versions)) = self.environments.get_mut(&environment.id) else { return Cas::Absent };
        if stored.version != environment.version {
            return Cas::Stale(stored.clone());
        }
        stored.name = environment.name.clone();
        stored.version += 1;
        stored.template = environment.template.clone();
        stored.updated_at = environment.updated_at;
        versions.push(version_of(stored));
        Cas::Updated(stored.clone())
    }

    fn environment_versions(
        &self,
        id: &EnvironmentId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentVersion>, StoreError> {
        let all = self.environments.get(id).map(|(_, versions)| versions.clone()).unwrap_or_default();
        let key = |v: &EnvironmentVersion| Reverse(v.version);
        let read = |text: &str| text.parse().ok().map(Reverse);
        page("v", all, key, |key| key.0.to_string(), read, cursor, limit)
    }

    fn environment_remove(&mut self, id: &EnvironmentId) -> Result<bool, StoreError> {
        let uses = |env: &Option<atoll_types::EnvironmentRef>| env.as_ref().is_some_and(|env| env.id == *id);
        if self.sandboxes.values().any(|s| uses(&s.spec.environment)) {
            return Err(StoreError::Conflict { what: "a sandbox of the environment" });
        }
        self.secrets.retain(|(environment, _), _| environment != id);
        Ok(self.environments.remove(id).is_some())
    }
}

#[async_trait]
impl EnvironmentStore for FakeStore {
    async fn environment_insert(&self, environment: &EnvironmentRecord) -> Result<(), StoreError> {
        self.run("environment_insert", |t| t.environment_insert(environment)).await
    }

    async fn environment_get(&self, id: &EnvironmentId) -> Result<Option<EnvironmentRecord>, StoreError> {
        self.run("environment_get", |t| Ok(t.environments.get(id).map(|(record, _)| record.clone()))).await
    }

    async fn environment_list(
        &self,
        owner: &UserId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentRecord>, StoreError> {
        self.run("environment_list", |t| t.environment_list(owner, cursor, limit)).await
    }

    async fn environment_list_warm(&self, limit: u32) -> Result<Vec<EnvironmentRecord>, StoreError> {
        let warm = |t: &mut Tables| {
            let mut warm: Vec<_> = t.environments.values().map(|(record, _)| record.clone()).collect();
            warm.retain(|record| record.template.warm_pool.is_some());
            warm.sort_by_key(|record| (record.created_at.as_unix_ms(), record.id.to_string()));
            warm.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            warm
        };
        self.run("environment_list_warm", |t| Ok(warm(t))).await
    }

    async fn environment_count(&self, owner: Option<&UserId>) -> Result<u64, StoreError> {
        let is_wanted = |e: &EnvironmentRecord| owner.is_none_or(|owner| e.owner == *owner);
        let count = |t: &mut Tables| t.environments.values().filter(|(e, _)| is_wanted(e)).count() as u64;
        self.run("environment_count", |t| Ok(count(t))).await
    }

    async fn environment_update(
        &self,
        environment: &EnvironmentRecord,
    ) -> Result<Cas<EnvironmentRecord>, StoreError> {
        self.run("environment_update", |t| Ok(t.environment_update(environment))).await
    }

    async fn environment_version(
        &self,
        id: &EnvironmentId,
        version: u32,
    ) -> Result<Option<EnvironmentVersion>, StoreError> {
        let find = |t: &mut Tables| {
            let (_, versions) = t.environments.get(id)?;
            versions.iter().find(|v| v.version == version).cloned()
        };
        self.run("environment_version", |t| Ok(find(t))).await
    }

    async fn environment_versions(
        &self,
        id: &EnvironmentId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentVersion>, StoreError> {
        self.run("environment_versions", |t| t.environment_versions(id, cursor, limit)).await
    }

    async fn environment_remove(&self, id: &EnvironmentId) -> Result<bool, StoreError> {
        self.run("environment_remove", |t| t.environment_remove(id)).await
    }
}
