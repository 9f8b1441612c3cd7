//! The port of what isolates sandboxes.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atoll_broker_protocol::{Answer, Call, EngineInfo, Found, StartSandbox};
use atoll_ports::{
    Abilities, AgentPorts, BridgeGuard, Connection, DialError, FoundSandbox, Runtime, RuntimeError,
    RuntimeEvent, RuntimeInfo, StartRequest, Started, StorageInfo, Usage,
};
use atoll_types::{ImageSource, Network, RuntimeKind, SandboxId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::convert::{self, CallError, Happened};
use crate::{Broker, CALL_TIME, EVENTS};

/// How long Docker may take to say what it is: who asks how Atoll is must not wait for a Docker that hangs.
const INFO_TIME: Duration = Duration::from_secs(5);

/// `docker` or `gvisor`.
#[derive(Debug, Clone)]
pub struct DockerRuntime {
    broker: Broker,
    guard: Arc<dyn BridgeGuard>,
    ports: Arc<dyn AgentPorts>,
    kind: RuntimeKind,
    events: broadcast::Sender<RuntimeEvent>,
}

impl DockerRuntime {
    /// The runtime of a kind, whose networks are guarded, and whose agents lead to ports inside.
    #[must_use]
    pub fn new(
        broker: Broker,
        guard: Arc<dyn BridgeGuard>,
        ports: Arc<dyn AgentPorts>,
        kind: RuntimeKind,
    ) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        Self { broker, guard, ports, kind, events }
    }

    /// Passes on what the broker tells; must run for events to come.
    pub async fn follow(self) {
        let mut happened = self.broker.events.subscribe();
        loop {
            let event = match happened.recv().await {
                Ok(Happened::Exited(sandbox, kind)) if kind == self.kind => RuntimeEvent::Exited(sandbox),
                Ok(Happened::Exited(..)) => continue,
                Ok(Happened::Missed) | Err(RecvError::Lagged(_)) => RuntimeEvent::Reconnected,
                Err(RecvError::Closed) => return,
            };
            let _nobody_listens = self.events.send(event);
        }
    }

    async fn ask(&self, call: Call) -> Result<Answer, RuntimeError> {
        self.broker.call(&call).await.map_err(convert::runtime)
    }

    async fn done(&self, call: Call) -> Result<(), RuntimeError> {
        convert::done(&self.ask(call).await?).map_err(convert::runtime)
    }

    /// Whether it can start sandboxes, and what there is to say of it.
    fn said(&self, engine: &EngineInfo) -> (bool, Vec<String>) {
        let mut notes = vec![format!("Docker {} with {}", engine.version, engine.storage)];
        if !engine.disk_limits {
            notes.push(format!(
                "disk limits do not hold: the storage driver {} has none here",
                engine.storage
            ));
        }
        if let Some(why) = self.no_networks(engine) {
            notes.push(format!("no network but none: {why}"));
        }
        if !engine.user_namespaces {
            notes.push(
                "no user namespaces: root in a sandbox is root on the host, without its rights".to_owned(),
            );
        }
        if !engine.live_restore {
            notes.push("no live-restore: a restart of Docker ends its sandboxes".to_owned());
        }
        let there = self.kind != RuntimeKind::Gvisor || engine.gvisor;
        if !there {
            notes.insert(
                0,
                "Docker knows no runtime 'runsc': install gVisor, and name it in Docker's daemon.json"
                    .to_owned(),
            );
        }
        (there, notes)
    }

    /// Why its sandboxes can have no network.
    fn no_networks(&self, engine: &EngineInfo) -> Option<String> {
        let gvisor = self.kind == RuntimeKind::Gvisor && engine.gvisor && !engine.gvisor_networks;
        let told = || "Docker starts its runtime 'runsc' with --network=none".to_owned();
        engine.no_networks.clone().or_else(|| gvisor.then(told))
    }

    /// Why its sandboxes can have no GPUs.
    fn no_gpus(&self, engine: EngineInfo) -> Option<String> {
        match self.kind {
            RuntimeKind::Docker => engine.no_gpus,
            RuntimeKind::Native | RuntimeKind::Gvisor => {
                Some(format!("the runtime '{}' gives none: 'docker' can", self.kind))
            }
        }
    }

    async fn found(&self) -> Result<Vec<Found>, CallError> {
        self.broker
            .asked(CALL_TIME, async {
                let mut connection = self.broker.connect()?;
                connection.send(&Call::List, &[]).await?;
                let mut all = Vec::new();
                loop {
                    match connection.receive().await? {
                        Answer::Sandboxes { found, more } => {
                            all.extend(found);
                            if !more {
                                return Ok(all);
                            }
                        }
                        _ => return Err(CallError::Unexpected),
                    }
                }
            })
            .await
    }
}

#[async_trait]
impl Runtime for DockerRuntime {
    fn kind(&self) -> RuntimeKind {
        self.kind
    }

    fn abilities(&self) -> Abilities {
        let gpus = self.kind == RuntimeKind::Docker;
        Abilities { host_image: false, bandwidth: false, no_capabilities: true, gpus }
    }

    async fn info(&self) -> RuntimeInfo {
        let why = match tokio::time::timeout(INFO_TIME, self.broker.info()).await {
            Ok(Ok(engine)) => {
                let (available, notes) = self.said(&engine);
                let no_networks = self.no_networks(&engine);
                let disk_limits = engine.disk_limits;
                let no_gpus = self.no_gpus(engine);
                return RuntimeInfo { kind: self.kind, available, notes, disk_limits, no_networks, no_gpus };
            }
            Ok(Err(error)) => convert::runtime(error).to_string(),
            Err(_) => format!("Docker does not answer within {} seconds", INFO_TIME.as_secs()),
        };
        let (no_networks, no_gpus) = (Some(why.clone()), Some(why.clone()));
        let (kind, notes) = (self.kind, vec![why]);
        RuntimeInfo { kind, available: false, notes, disk_limits: false, no_networks, no_gpus }
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, RuntimeError> {
        let spec = &request.spec;
        let ImageSource::Unpacked(image) = &spec.source else {
            let text = "the image 'host' is this machine's own system, which Docker cannot use";
            return Err(RuntimeError::Refused(text.to_owned()));
        };
        let start = StartSandbox {
            sandbox: request.sandbox.clone(),
            runtime: self.kind,
            image: image.clone(),
            limits: spec.limits.clone(),
            capabilities: spec.capabilities,
            read_only_root: spec.read_only_root,
            network: spec.network,
            gpus: spec.gpus.clone(),
        };
        if spec.network != Network::None {
            self.guard.guard().await?;
        }
        self.done(Call::Start(Box::new(start))).await?;
        Ok(Started { dirty: false })
    }

    async fn stop(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.done(Call::Stop { sandbox: sandbox.clone() }).await
    }

    async fn remove(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.done(Call::Remove { sandbox: sandbox.clone() }).await
    }

    async fn list(&self) -> Result<Vec<FoundSandbox>, RuntimeError> {
        let found = self.found().await.map_err(convert::runtime)?;
        let ours = found.into_iter().filter(|one| one.runtime == self.kind);
        let seen =
            |one: Found| FoundSandbox { sandbox: one.sandbox, running: one.running, paused: one.paused };
        Ok(ours.map(seen).collect())
    }

    async fn storage(&self) -> Result<StorageInfo, RuntimeError> {
        Err(RuntimeError::Failed("Docker does not tell how much room its storage has".to_owned()))
    }

    fn events(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.events.subscribe()
    }

    async fn pause(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.done(Call::Pause { sandbox: sandbox.clone() }).await
    }

    async fn resume(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.done(Call::Resume { sandbox: sandbox.clone() }).await
    }

    async fn usage(&self, sandbox: &SandboxId) -> Result<Usage, RuntimeError> {
        match self.ask(Call::Usage { sandbox: sandbox.clone() }).await? {
            Answer::Usage(usage) => Ok(usage),
            _ => Err(convert::runtime(CallError::Unexpected)),
        }
    }

    /// Docker may be another machine, and gVisor has a network of its own: the agent is inside of both.
    async fn dial(&self, sandbox: &SandboxId, port: NonZeroU16) -> Result<Connection, DialError> {
        self.ports.dial(sandbox, port).await
    }
}
