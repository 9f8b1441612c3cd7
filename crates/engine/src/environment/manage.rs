//! Making, looking at, changing and removing environments.

use atoll_ports::{AuditScope, Cas, EnvironmentRecord, EnvironmentVersion, Page, Role, StoreError};
use atoll_types::{EnvironmentId, EnvironmentName, ErrorCode, SandboxTemplate, bounds};

use super::not_found;
use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Makes an environment with its first version.
    ///
    /// # Errors
    /// `quota_exceeded`; a pool that is larger than the server keeps.
    pub async fn environment_create(
        &self,
        caller: &Caller,
        name: EnvironmentName,
        template: SandboxTemplate,
    ) -> Result<EnvironmentRecord, EngineError> {
        self.check_warm(&template)?;
        // Of two at the same moment both may pass: the bound is against programs that run away, and need not be exact.
        let has = self.inner.ports.store.environment_count(Some(&caller.user)).await?;
        if has >= bounds::ENVIRONMENTS_MAX {
            let text = format!("you have {has} of {} environments: delete some", bounds::ENVIRONMENTS_MAX);
            return Err(EngineError::new(ErrorCode::QuotaExceeded, text));
        }
        let now = self.inner.ports.clock.now();
        let environment = EnvironmentRecord {
            id: EnvironmentId::random(),
            owner: caller.user.clone(),
            name,
            version: 1,
            template,
            created_at: now,
            updated_at: now,
        };
        AuditScope::about(environment.id.as_str());
        let (engine, new) = (self.clone(), environment.clone());
        let work = async move {
            let done = engine.inner.ports.store.environment_insert(&new).await;
            engine.inner.pools.environments_changed();
            done
        };
        self.inner.operations.run_detached("create environment", AuditScope::carry(work)).await??;
        Ok(environment)
    }

    /// A pool of an environment has room among all.
    fn check_warm(&self, template: &SandboxTemplate) -> Result<(), EngineError> {
        let most = self.inner.settings.warm_pool_max;
        match template.warm_pool {
            Some(size) if size.max() > most => {
                let text = format!("must be at most {most}: more are not kept ready on this server");
                Err(EngineError::field("warmPool", text))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// One environment with its newest version.
    ///
    /// # Errors
    /// `environment_not_found`.
    pub async fn environment_get(
        &self,
        caller: &Caller,
        id: &EnvironmentId,
    ) -> Result<EnvironmentRecord, EngineError> {
        let found = self.inner.ports.store.environment_get(id).await?.ok_or_else(not_found)?;
        let may = found.owner == caller.user || caller.role == Role::Admin;
        if may { Ok(found) } else { Err(not_found()) }
    }

    /// The caller's, newest first.
    ///
    /// # Errors
    /// A malformed cursor.
    pub async fn environment_list(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentRecord>, EngineError> {
        Ok(self.inner.ports.store.environment_list(&caller.user, cursor, limit).await?)
    }

    /// Makes the next version. Without a name it keeps the one that it has.
    ///
    /// # Errors
    /// `environment_not_found`; `environment_changed` when somebody else makes one at the same moment; `quota_exceeded`.
    pub async fn environment_update(
        &self,
        caller: &Caller,
        id: &EnvironmentId,
        name: Option<EnvironmentName>,
        template: SandboxTemplate,
    ) -> Result<EnvironmentRecord, EngineError> {
        let now = self.environment_get(caller, id).await?;
        self.check_warm(&template)?;
        if now.version >= bounds::ENVIRONMENT_VERSIONS_MAX {
            let most = bounds::ENVIRONMENT_VERSIONS_MAX;
            let text = format!("the environment has {most} versions, as many as it may: make a new one");
            return Err(EngineError::new(ErrorCode::QuotaExceeded, text));
        }
        let updated_at = self.inner.ports.clock.now();
        let next = EnvironmentRecord { name: name.unwrap_or(now.name), template, updated_at, ..now };
        let engine = self.clone();
        let work = async move {
            let done = engine.inner.ports.store.environment_update(&next).await;
            engine.inner.pools.environments_changed();
            done
        };
        match self.inner.operations.run_detached("update environment", AuditScope::carry(work)).await?? {
            Cas::Updated(record) => Ok(record),
            Cas::Stale(_) => Err(EngineError::new(
                ErrorCode::EnvironmentChanged,
                "somebody else made a version at the same moment: look at it and try again",
            )),
            Cas::Absent => Err(not_found()),
        }
    }

    /// One version.
    ///
    /// # Errors
    /// `environment_not_found`, `environment_version_not_found`.
    pub async fn environment_version(
        &self,
        caller: &Caller,
        id: &EnvironmentId,
        version: u32,
    ) -> Result<EnvironmentVersion, EngineError> {
        let now = self.environment_get(caller, id).await?;
        let found = self.inner.ports.store.environment_version(id, version).await?;
        found.ok_or_else(|| {
            let text =
                format!("the environment has no version {version}: it has versions 1 to {}", now.version);
            EngineError::new(ErrorCode::EnvironmentVersionNotFound, text)
        })
    }

    /// Its versions, newest first.
    ///
    /// # Errors
    /// `environment_not_found`, or a malformed cursor.
    pub async fn environment_versions(
        &self,
        caller: &Caller,
        id: &EnvironmentId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EnvironmentVersion>, EngineError> {
        self.environment_get(caller, id).await?;
        Ok(self.inner.ports.store.environment_versions(id, cursor, limit).await?)
    }

    /// Removes an environment with everything of it.
    ///
    /// # Errors
    /// `environment_not_found`; `environment_in_use` while a sandbox was made of it.
    pub async fn environment_delete(&self, caller: &Caller, id: &EnvironmentId) -> Result<(), EngineError> {
        self.environment_get(caller, id).await?;
        let (engine, id) = (self.clone(), id.clone());
        let work = async move {
            let done = engine.inner.ports.store.environment_remove(&id).await;
            engine.inner.pools.environments_changed();
            done
        };
        match self.inner.operations.run_detached("delete environment", AuditScope::carry(work)).await? {
            Ok(true) => Ok(()),
            Ok(false) => Err(not_found()),
            Err(StoreError::Conflict { .. }) => Err(EngineError::new(
                ErrorCode::EnvironmentInUse,
                "a sandbox was made of this environment: delete its sandboxes first",
            )),
            Err(error) => Err(error.into()),
        }
    }
}
