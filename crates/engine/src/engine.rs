//! The handle that the edges hold, and what it is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atoll_ports::{
    AgentLink, Clock, ExecLogs, Files, HostPorts, ImageBuilder, Images, Registry, Runtime, RuntimeEvent,
    Seal, Store, TerminalLink,
};
use atoll_tasks::{Group, Kind, Tasks};
use atoll_types::Timestamp;
use tokio::sync::RwLock;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::account::{Accounts, KeyCache, SessionCache};
use crate::activity::ActivityLog;
use crate::counters::ExecPairs;
use crate::drivers::Drivers;
use crate::events::EventLog;
use crate::exec::{Acks, LiveExecs};
use crate::health_check::HealthChecks;
use crate::history::{self, History};
use crate::idempotency::InFlight;
use crate::image_build::Builds;
use crate::job::Jobs;
use crate::metrics::Readings;
use crate::pool::Pools;
use crate::public_session::PublicSessions;
use crate::publish::Published;
use crate::quota::{Egress, ExecRates, Overrides, Reservations};
use crate::records::Records;
use crate::timers::DueSandboxes;
use crate::{EngineError, Runtimes, Settings};

/// Time between two looks at everything: what happened without an event is noticed after this long at the latest.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(60);
/// Time between two looks at the clocks of life and idle times.
const TIMER_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two removals of old execs, and of log-ins and invitations that are over.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

/// The outside, as the engine sees it.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Durable records.
    pub store: Arc<dyn Store>,
    /// What isolates sandboxes.
    pub runtimes: Runtimes,
    /// Image content.
    pub images: Arc<dyn Images>,
    /// Where images are to be had.
    pub registry: Arc<dyn Registry>,
    /// What builds images, where there is something.
    pub builder: Option<Arc<dyn ImageBuilder>>,
    /// The way to the agents.
    pub agents: Arc<dyn AgentLink>,
    /// The way to the terminals.
    pub terminals: Arc<dyn TerminalLink>,
    /// Files of sandboxes.
    pub files: Arc<dyn Files>,
    /// Output of execs.
    pub exec_logs: Arc<dyn ExecLogs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ports of the host.
    pub host_ports: Arc<dyn HostPorts>,
    /// The master keys.
    pub seal: Arc<dyn Seal>,
}

/// Every use-case. A cheap clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) records: Records,
    pub(crate) drivers: Drivers,
    pub(crate) reservations: Reservations,
    pub(crate) overrides: Overrides,
    pub(crate) exec_rates: ExecRates,
    pub(crate) egress: Egress,
    pub(crate) history: History,
    /// When this life of serve began.
    pub(crate) began_at: Timestamp,
    pub(crate) execs: LiveExecs,
    pub(crate) exec_pairs: ExecPairs,
    pub(crate) events: Arc<EventLog>,
    pub(crate) acks: Acks,
    pub(crate) jobs: Jobs,
    pub(crate) activity: ActivityLog,
    pub(crate) due: DueSandboxes,
    pub(crate) health_checks: HealthChecks,
    pub(crate) readings: Readings,
    pub(crate) keys: KeyCache,
    pub(crate) sessions: SessionCache,
    pub(crate) accounts: Accounts,
    /// Shared by imports from before their content is there until their record is; whoever removes content that has no
    /// record is alone.
    pub(crate) image_content: RwLock<()>,
    pub(crate) builds: Builds,
    pub(crate) in_flight: InFlight,
    /// Held by whoever rotates the master key.
    pub(crate) rotation: tokio::sync::Mutex<()>,
    /// Mutations that a request began; shutdown waits for them.
    pub(crate) operations: Group,
    /// Drains of execs; cut at shutdown, taken up again at the next start.
    pub(crate) drains: Group,
    /// Periodic drivers.
    pub(crate) periodic: Group,
    /// What is made ahead.
    pub(crate) pools: Pools,
    /// Sandboxes of nobody in particular.
    pub(crate) public_sessions: PublicSessions,
    /// Open ports of the host.
    pub(crate) published: Published,
    /// Who listens on them, and the connections; cut at shutdown, after the operations that open some.
    pub(crate) forwards: Group,
}

impl Engine {
    /// Wires the parts; nothing happens before [`Engine::boot`].
    #[must_use]
    pub fn new(ports: Ports, settings: Settings, tasks: &Tasks) -> Self {
        let events = Arc::new(EventLog::default());
        let inner = Inner {
            records: Records::new(&ports, Arc::clone(&events)),
            events,
            drivers: Drivers::default(),
            reservations: Reservations::default(),
            overrides: Overrides::default(),
            exec_rates: ExecRates::default(),
            egress: Egress::default(),
            history: History::default(),
            builds: Builds::default(),
            began_at: ports.clock.now(),
            execs: LiveExecs::default(),
            exec_pairs: ExecPairs::default(),
            acks: Acks::default(),
            jobs: Jobs::default(),
            activity: ActivityLog::default(),
            due: DueSandboxes::default(),
            health_checks: HealthChecks::default(),
            readings: Readings::default(),
            keys: KeyCache::default(),
            sessions: SessionCache::default(),
            accounts: Accounts::default(),
            image_content: RwLock::default(),
            in_flight: InFlight::default(),
            rotation: tokio::sync::Mutex::default(),
            operations: tasks.group("operations"),
            periodic: tasks.group("periodic"),
            drains: tasks.group("drains"),
            pools: Pools::default(),
            public_sessions: PublicSessions::default(),
            published: Published::default(),
            forwards: tasks.group("published ports"),
            ports,
            settings,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Looks at what is really there and brings records and reality together, then starts the periodic drivers.
    /// Boot is one more reconcile: there is no separate recovery.
    ///
    /// # Errors
    /// When the store cannot be read: without records nothing can be decided.
    pub async fn boot(&self) -> Result<(), EngineError> {
        self.inner.records.load(&self.inner.settings.node).await?;
        self.load_jobs().await?;
        self.load_quotas().await?;
        if let Err(error) = self.load_sessions_account().await {
            tracing::warn!("there are no public sessions: {error}");
        }
        // An earlier serve may have started what it could not write down, and not acknowledged what it did.
        self.inner.records.all().iter().for_each(|record| self.inner.acks.unsettle(&record.id));
        // Subscribed before the first look, so that nothing falls between the two.
        let events = self.inner.ports.runtimes.each().map(Runtime::events).collect();
        if let Err(error) = self.reconcile().await {
            // A runtime that is away, or a disk that fails, leaves what is to be done to the next pass, which comes at
            // once: those who can be served are.
            tracing::warn!("not everything could be looked at yet: {error}");
        }
        self.start_drivers(events)
    }

    fn start_drivers(
        &self,
        events: Vec<tokio::sync::broadcast::Receiver<RuntimeEvent>>,
    ) -> Result<(), EngineError> {
        let group = &self.inner.periodic;
        let engine = self.clone();
        let reconcile = group.periodic("reconcile", RECONCILE_INTERVAL, move |_| {
            let engine = engine.clone();
            async move { engine.reconcile().await }
        })?;
        let engine = self.clone();
        group.periodic("timers", TIMER_INTERVAL, move |_| {
            let engine = engine.clone();
            async move { engine.check_timers().await }
        })?;
        let engine = self.clone();
        group.periodic("sweep", SWEEP_INTERVAL, move |_| {
            let engine = engine.clone();
            async move {
                engine.sweep_idempotency().await?;
                engine.sweep_execs().await
            }
        })?;
        if self.inner.settings.keeps_history {
            let engine = self.clone();
            let passes = Arc::new(AtomicU64::new(1));
            group.periodic("sample", history::INTERVAL, move |_| {
                let (engine, pass) = (engine.clone(), passes.fetch_add(1, Ordering::Relaxed));
                async move { engine.sample(pass).await }
            })?;
        }
        let engine = self.clone();
        group.periodic("trim audit", Self::AUDIT_TRIM_INTERVAL, move |_| {
            let engine = engine.clone();
            async move { engine.trim_audit().await }
        })?;
        self.start_pools()?;
        let engine = self.clone();
        group.periodic("sweep sessions", SWEEP_INTERVAL, move |_| {
            let engine = engine.clone();
            async move { engine.sweep_sessions().await }
        })?;
        for events in events {
            let (engine, reconcile) = (self.clone(), reconcile.clone());
            group.spawn("runtime events", Kind::WORK, move |token| {
                engine.follow_events(events, reconcile, token)
            })?;
        }
        Ok(())
    }

    async fn follow_events(
        self,
        mut events: tokio::sync::broadcast::Receiver<RuntimeEvent>,
        reconcile: atoll_tasks::Periodic,
        token: CancellationToken,
    ) {
        loop {
            let event = tokio::select! {
                // Cancel safe: both only wait.
                () = token.cancelled() => return,
                event = events.recv() => event,
            };
            match event {
                Ok(RuntimeEvent::Exited(id)) => self.agent_exited(id),
                Ok(RuntimeEvent::Reconnected) | Err(RecvError::Lagged(_)) => reconcile.activate(),
                Err(RecvError::Closed) => return,
            }
        }
    }
}
