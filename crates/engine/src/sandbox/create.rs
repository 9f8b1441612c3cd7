//! Making sandboxes.

use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{Lifetime, SandboxRecord};
use atoll_types::{
    Desired, ErrorCode, GuestUser, ImageName, ImageSource, Observed, OperationKind, SandboxId, SandboxSpec,
    bounds,
};
use tokio::task::JoinSet;

use crate::operation::begin;
use crate::{Caller, Engine, EngineError, NewSandbox, SandboxView};

/// Creates of one request that run at once: enough to keep the launcher busy, few enough to leave it to others too.
const PARALLEL_CREATES: usize = 16;

impl Engine {
    /// Makes one sandbox; returns when it runs.
    ///
    /// # Errors
    /// `image_not_found`, `quota_exceeded`, `disk_full`, `runtime_failed`: then nothing is left of it.
    pub async fn sandbox_create(&self, caller: &Caller, new: NewSandbox) -> Result<SandboxView, EngineError> {
        self.check_quota(caller, 1).await?;
        let spec = self.resolve(new).await?;
        let record = self.create_detached(caller, spec).await?;
        Ok(self.view(&record))
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
        self.check_quota(caller, u64::from(count)).await?;
        let spec = self.resolve(new).await?;
        let engine = self.clone();
        let owner = caller.clone();
        let work = async move { engine.create_all(&owner, spec, count).await };
        let records = self.inner.operations.run_detached("create sandboxes", work).await??;
        Ok(records.iter().map(|r| self.view(r)).collect())
    }

    async fn create_all(
        &self,
        caller: &Caller,
        spec: SandboxSpec,
        count: u32,
    ) -> Result<Vec<Arc<SandboxRecord>>, EngineError> {
        let mut running = JoinSet::new();
        let mut made = Vec::new();
        let mut failure = None;
        let mut left = count;
        while left > 0 || !running.is_empty() {
            while left > 0 && failure.is_none() && running.len() < PARALLEL_CREATES {
                left -= 1;
                let (engine, caller, spec) = (self.clone(), caller.clone(), spec.clone());
                running.spawn(async move { engine.create_now(&caller, spec).await });
            }
            match running.join_next().await {
                Some(Ok(Ok(record))) => made.push(record),
                Some(Ok(Err(error))) => failure = Some(error),
                Some(Err(panic)) => {
                    failure = Some(EngineError::new(ErrorCode::Internal, "a defect of Atoll").because(panic));
                }
                None => break,
            }
        }
        let Some(error) = failure else { return Ok(made) };
        for record in made {
            self.delete_now(&record.id).await?;
        }
        Err(error)
    }

    async fn create_detached(
        &self,
        caller: &Caller,
        spec: SandboxSpec,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        let (engine, caller) = (self.clone(), caller.clone());
        let work = async move { engine.create_now(&caller, spec).await };
        self.inner.operations.run_detached("create sandbox", work).await?
    }

    async fn create_now(
        &self,
        caller: &Caller,
        spec: SandboxSpec,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        // The id is chosen before the act, so that whoever takes this up after a crash finds what it did.
        let id = SandboxId::random();
        let driver = self.inner.drivers.acquire(&id).await;
        let record = self.inner.records.insert(&self.new_record(id, caller, spec)).await?;
        Ok(self.run_operation(&driver, record).await?)
    }

    fn new_record(&self, id: SandboxId, caller: &Caller, spec: SandboxSpec) -> SandboxRecord {
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
        }
    }

    async fn check_quota(&self, caller: &Caller, more: u64) -> Result<(), EngineError> {
        let most = self.inner.settings.sandboxes_per_user;
        let has = self.inner.ports.store.sandbox_count(&caller.user).await?;
        if has.saturating_add(more) <= most {
            return Ok(());
        }
        let text = format!("you have {has} of {most} sandboxes: delete some, or ask the operator for more");
        Err(EngineError::new(ErrorCode::QuotaExceeded, text))
    }

    async fn resolve(&self, new: NewSandbox) -> Result<SandboxSpec, EngineError> {
        let settings = &self.inner.settings;
        let image = new.image.unwrap_or_else(|| settings.default_image.clone());
        let source = self.image_source(&image).await?;
        Ok(SandboxSpec {
            name: new.name,
            image,
            source,
            runtime: new.runtime,
            limits: new.limits,
            network: new.network,
            env: new.env,
            command: new.command,
            user: new.user.unwrap_or_else(GuestUser::agent),
            capabilities: new.capabilities,
            read_only_root: new.read_only_root,
            labels: new.labels,
            ttl_seconds: new.ttl_seconds,
            on_expiry: new.on_expiry,
            idle_seconds: new.idle_seconds.unwrap_or(settings.idle_ttl.as_secs()),
        })
    }

    async fn image_source(&self, image: &ImageName) -> Result<ImageSource, EngineError> {
        if image.is_host() {
            return Ok(ImageSource::Host);
        }
        match self.inner.ports.store.image_get(image).await? {
            Some(record) => Ok(ImageSource::Unpacked(record.digest)),
            None => Err(EngineError::new(
                ErrorCode::ImageNotFound,
                format!(
                    "no image '{image}' here: import one with 'atoll image import {image} FILE', or use 'host'"
                ),
            )),
        }
    }
}
