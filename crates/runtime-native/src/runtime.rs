//! The port of what isolates sandboxes.

use std::num::NonZeroU16;

use async_trait::async_trait;
use atoll_launcher_protocol::{Answer, Call, StartSandbox};
use atoll_ports::{
    BridgeGuard, Connection, DialError, FoundSandbox, Runtime, RuntimeError, RuntimeEvent, RuntimeInfo,
    StartRequest, Started, StorageInfo, Usage,
};
use atoll_types::{RuntimeKind, SandboxId};
use tokio::sync::broadcast;

use crate::NativeRuntime;
use crate::convert::{self, CallError};

impl NativeRuntime {
    async fn ask(&self, call: Call) -> Result<Answer, RuntimeError> {
        self.call(call).await.map_err(convert::runtime)
    }

    async fn done(&self, call: Call) -> Result<(), RuntimeError> {
        match self.ask(call).await? {
            Answer::Done => Ok(()),
            other => Err(convert::runtime(CallError::unexpected(&other))),
        }
    }
}

#[async_trait]
impl BridgeGuard for NativeRuntime {
    async fn guard(&self) -> Result<(), RuntimeError> {
        self.done(Call::GuardBridges).await
    }
}

#[async_trait]
impl Runtime for NativeRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Native
    }

    async fn info(&self) -> RuntimeInfo {
        let greeting = self.greeting.borrow().clone();
        let mut notes = Vec::new();
        match &greeting {
            None => notes.push("the launcher does not answer".to_owned()),
            Some(greeting) => {
                notes.push(format!("cgroup version {}", greeting.cgroup_version));
                if !greeting.disk_limits {
                    notes.push("no btrfs here: disk limits of sandboxes do not hold".to_owned());
                }
            }
        }
        RuntimeInfo {
            kind: RuntimeKind::Native,
            available: greeting.is_some(),
            notes,
            disk_limits: greeting.is_some_and(|greeting| greeting.disk_limits),
            // What one needs is looked for when the first is asked for.
            no_networks: None,
            no_gpus: Some("the runtime 'native' gives none: 'docker' can".to_owned()),
        }
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, RuntimeError> {
        let spec = &request.spec;
        let start = StartSandbox {
            sandbox: request.sandbox.clone(),
            uid_slot: request.uid_slot,
            image: spec.source.clone(),
            limits: spec.limits.clone(),
            network: spec.network,
            capabilities: spec.capabilities,
            read_only_root: spec.read_only_root,
        };
        match self.ask(Call::Start(Box::new(start))).await? {
            Answer::Started { dirty } => Ok(Started { dirty }),
            other => Err(convert::runtime(CallError::unexpected(&other))),
        }
    }

    async fn stop(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.done(Call::Stop { sandbox: sandbox.clone() }).await
    }

    async fn remove(&self, sandbox: &SandboxId) -> Result<(), RuntimeError> {
        self.done(Call::Remove { sandbox: sandbox.clone() }).await
    }

    async fn list(&self) -> Result<Vec<FoundSandbox>, RuntimeError> {
        let (remains, _trash) = self.found_remains().await?;
        let found = remains.into_iter().map(|one| FoundSandbox {
            sandbox: one.sandbox,
            running: one.process,
            paused: one.paused,
        });
        Ok(found.collect())
    }

    async fn storage(&self) -> Result<StorageInfo, RuntimeError> {
        match self.ask(Call::Storage).await? {
            Answer::Storage { free_bytes, total_bytes, full } => {
                Ok(StorageInfo { free_bytes, total_bytes, full })
            }
            other => Err(convert::runtime(CallError::unexpected(&other))),
        }
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
            other => Err(convert::runtime(CallError::unexpected(&other))),
        }
    }

    async fn dial(&self, sandbox: &SandboxId, port: NonZeroU16) -> Result<Connection, DialError> {
        self.dial_now(sandbox, port).await
    }
}
