//! Making sandboxes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atoll_ports::{AuditScope, Lifetime, SandboxRecord};
use atoll_types::{
    Desired, ErrorCode, GuestUser, ImageName, ImageSource, Observed, OperationKind, SandboxId, SandboxSpec,
    SandboxTemplate, bounds,
};
use futures_util::StreamExt;

use crate::operation::begin;
use crate::quota::Reserved;
use crate::{Caller, Engine, EngineError, NewSandbox, SandboxView};

/// Creates of one request that run at once: enough to keep the launcher busy, few enough to leave it to others too.
const PARALLEL_CREATES: usize = 16;

impl Engine {
    /// Makes one sandbox; returns when it runs.
    ///
    /// # Errors
    /// `image_not_found`, `quota_exceeded`, `disk_full`, `runtime_failed`: then nothing is left of it.
    pub async fn sandbox_create(&self, caller: &Caller, new: NewSandbox) -> Result<SandboxView, EngineError> {
        let reserved = self.reserve(caller, 1, &new.limits, &new.network)?;
        let spec = self.resolve(new).await?;
        let (engine, owner) = (self.clone(), caller.clone());
        let work = async move { engine.create_all(&owner, spec, reserved).await };
        let records = self.inner.operations.run_detached("create sandbox", AuditScope::carry(work)).await??;
        let record =
            records.first().ok_or_else(|| EngineError::new(ErrorCode::Internal, "a defect of Atoll"))?;
        Ok(self.view(record))
    }

    /// Makes `count` sandboxes; returns when all run.
    ///
    /// # Errors
    /// As [`Engine::sandbox_create`]; the others of the same request are removed again.
    pub async fn sandbox_create_many(
        &self,
        caller: &Caller,
        new: NewSandbox,
        count: u32,
    ) -> Result<Vec<SandboxView>, EngineError> {
        if count == 0 || count > bounds::COUNT_MAX {
            return Err(EngineError::field("count", "must be from 1 to 100"));
        }
        let reserved = self.reserve(caller, count, &new.limits, &new.network)?;
        let spec = self.resolve(new).await?;
        let (engine, owner) = (self.clone(), caller.clone());
        let work = async move { engine.create_all(&owner, spec, reserved).await };
        let records =
            self.inner.operations.run_detached("create sandboxes", AuditScope::carry(work)).await??;
        Ok(records.iter().map(|r| self.view(r)).collect())
    }

    async fn create_all(
        &self,
        caller: &Caller,
        spec: SandboxSpec,
        reserved: Reserved,
    ) -> Result<Vec<Arc<SandboxRecord>>, EngineError> {
        let failed = AtomicBool::new(false);
        let create = async |id: SandboxId| {
            // The rest of a request that has failed is not begun any more.
            if failed.load(Ordering::Relaxed) {
                return None;
            }
            let made = self.create_one(caller, &reserved, id, spec.clone()).await;
            failed.fetch_or(made.is_err(), Ordering::Relaxed);
            Some(made)
        };
        let ids = futures_util::stream::iter(reserved.ids().to_vec());
        let made: Vec<_> = ids.map(create).buffer_unordered(PARALLEL_CREATES).collect().await;
        let mut records = Vec::new();
        let mut failure = None;
        for result in made.into_iter().flatten() {
            match result {
                Ok(record) => records.push(record),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let Some(error) = failure else { return Ok(records) };
        for record in records {
            if let Err(error) = self.delete_now(&record.id).await {
                tracing::warn!(sandbox.id = %record.id, "{} of a failed request is not removed yet: {error}", record.id);
            }
        }
        Err(error)
    }

    /// One that was made ahead, if there is one, else one of its own. Of the reserved ids, the one that it does not need is given
    /// back before the other has a record: it would count for two.
    async fn create_one(
        &self,
        caller: &Caller,
        reserved: &Reserved,
        id: SandboxId,
        spec: SandboxSpec,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        match self.create_from_pool(caller, reserved, &id, &spec).await? {
            Some(record) => Ok(record),
            None => self.create_now(caller, id, spec).await,
        }
    }

    async fn create_now(
        &self,
        caller: &Caller,
        id: SandboxId,
        spec: SandboxSpec,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        let driver = self.inner.drivers.acquire(&id).await;
        AuditScope::about(id.as_str());
        let record = self.inner.records.insert(&self.new_record(id, caller, spec)).await?;
        Ok(self.run_operation(&driver, record).await?)
    }

    pub(crate) fn new_record(&self, id: SandboxId, caller: &Caller, spec: SandboxSpec) -> SandboxRecord {
        let clock = &self.inner.ports.clock;
        let lifetime = spec.ttl_seconds.map(|seconds| {
            let life = Duration::from_secs(seconds);
            Lifetime {
                boot_id: clock.boot_id(),
                deadline: clock.boot_time().after(life),
                left_ms: seconds.saturating_mul(1_000),
            }
        });
        SandboxRecord {
            id,
            owner: caller.user.clone(),
            node: self.inner.settings.node.clone(),
            uid_slot: 0,
            spec,
            desired: Desired::Running,
            observed: Observed::Absent,
            operation: Some(begin(OperationKind::Create, self)),
            stop_reason: None,
            failure: None,
            lifetime,
            generation: 1,
            created_at: clock.now(),
            started_at: None,
            boot_id: None,
            host_ports: Vec::new(),
        }
    }

    pub(crate) async fn resolve(&self, new: NewSandbox) -> Result<SandboxSpec, EngineError> {
        let settings = &self.inner.settings;
        let image = new.image.unwrap_or_else(|| settings.default_image.clone());
        let source = match new.source {
            Some(source) => source,
            None => self.image(&image).await?.0,
        };
        let spec = SandboxSpec {
            name: new.name,
            image,
            source,
            runtime: new.runtime,
            limits: new.limits,
            network: new.network,
            gpus: new.gpus,
            env: new.env,
            entrypoint: new.entrypoint,
            command: new.command,
            cwd: new.cwd,
            user: new.user.unwrap_or_else(GuestUser::agent),
            capabilities: new.capabilities,
            read_only_root: new.read_only_root,
            labels: new.labels,
            ttl_seconds: new.ttl_seconds,
            on_expiry: new.on_expiry,
            idle_seconds: new.idle_seconds.unwrap_or(settings.idle_ttl.as_secs()),
            ports: new.ports,
            environment: new.environment,
            health_check: new.health_check.filter(|check| check.command.is_some()),
        };
        self.check_runtime(&spec).await?;
        Ok(spec)
    }

    /// What an image's name stands for, and what its sandboxes are where nothing else says.
    pub(crate) async fn image(
        &self,
        image: &ImageName,
    ) -> Result<(ImageSource, SandboxTemplate), EngineError> {
        if image.is_host() {
            return Ok((ImageSource::Host, SandboxTemplate::default()));
        }
        match self.inner.ports.store.image_get(image).await? {
            Some(record) => Ok((ImageSource::Unpacked(record.digest), record.template)),
            None => Err(EngineError::new(
                ErrorCode::ImageNotFound,
                format!(
                    "no image '{image}' here: import one with 'atoll image import {image} FILE', fetch one with 'atoll image pull REFERENCE --name {image}', or use 'host'"
                ),
            )),
        }
    }
}
