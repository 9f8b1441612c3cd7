//! Which sandboxes are to be kept ready.

use atoll_ports::EnvironmentRecord;
use atoll_types::{ErrorCode, PoolSize, SandboxSpec};

use super::state::shape;
use crate::{Engine, EngineError, NewSandbox};

/// Environments that are looked at in one pass: those beyond it find the room taken long before.
const ENVIRONMENTS_MAX: u32 = 1_000;

/// Kinds of sandboxes, each with how many are to be ready.
pub(super) type Wanted = Vec<(SandboxSpec, PoolSize)>;

impl Engine {
    /// Which pools there are to be. Of environments, the oldest first, as long as there is room for their most.
    pub(super) async fn wanted_pools(&self) -> Result<Wanted, EngineError> {
        let settings = &self.inner.settings;
        let mut wanted = Wanted::new();
        if settings.warm_pool != PoolSize::default()
            && let Some(spec) = self.makeable(NewSandbox::usual()).await?
        {
            add(&mut wanted, shape(&spec, &settings.default_image), settings.warm_pool);
        }
        let mut room = settings.warm_pool_max;
        if room == 0 {
            return Ok(wanted);
        }
        let (pools, now) = (&self.inner.pools, self.inner.ports.clock.boot_time());
        if pools.is_unwanted(now) {
            return Ok(wanted);
        }
        let changes = pools.changes();
        let environments = self.inner.ports.store.environment_list_warm(ENVIRONMENTS_MAX).await?;
        pools.note_wanted(!environments.is_empty(), changes, now);
        for environment in environments {
            let Some(size) = environment.template.warm_pool.map(|size| size.at_most(room)) else { continue };
            if let Some(spec) = self.spec_of(environment).await? {
                room = room.saturating_sub(size.max());
                add(&mut wanted, shape(&spec, &settings.default_image), size);
            }
            if room == 0 {
                break;
            }
        }
        Ok(wanted)
    }

    /// What a sandbox of an environment is of which nothing else is asked. None where it cannot be made as things are: who asks for
    /// one is told why.
    async fn spec_of(&self, environment: EnvironmentRecord) -> Result<Option<SandboxSpec>, EngineError> {
        match self.over_image(None, environment.template, None).await {
            Ok(new) => self.makeable(new).await,
            Err(error) if is_his(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn makeable(&self, new: NewSandbox) -> Result<Option<SandboxSpec>, EngineError> {
        match self.resolve(new).await {
            Ok(spec) => Ok(Some(spec)),
            // Its image may be imported later.
            Err(error) if is_his(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether it is a matter of what was asked for.
fn is_his(error: &EngineError) -> bool {
    matches!(
        error.code,
        ErrorCode::ImageNotFound
            | ErrorCode::InvalidRequest
            | ErrorCode::RuntimeUnavailable
            | ErrorCode::GpuUnavailable
    )
}

/// Those that are made alike are one kind.
fn add(wanted: &mut Wanted, shape: SandboxSpec, size: PoolSize) {
    match wanted.iter_mut().find(|(other, _)| *other == shape) {
        Some((_, sum)) => *sum = sum.plus(size),
        None => wanted.push((shape, size)),
    }
}

impl NewSandbox {
    /// What a request that says nothing asks for.
    pub(crate) fn usual() -> Self {
        use atoll_types::{
            Capabilities, EnvVars, Gpus, ImageName, Labels, Limits, Network, OnExpiry, RuntimeKind,
        };
        Self {
            name: None,
            image: None::<ImageName>,
            runtime: RuntimeKind::Native,
            limits: Limits::default(),
            network: Network::None,
            gpus: Gpus::None,
            env: EnvVars::default(),
            entrypoint: Vec::new(),
            command: None,
            cwd: None,
            user: None,
            capabilities: Capabilities::default(),
            read_only_root: false,
            labels: Labels::new(),
            ttl_seconds: None,
            on_expiry: OnExpiry::default(),
            idle_seconds: None,
            ports: Vec::new(),
            source: None,
            environment: None,
            health_check: None,
        }
    }
}
