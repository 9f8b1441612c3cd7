//! The short way to agents in containers on this machine: a socket in the container's network, past Docker and the broker.
//!
//! Each command that goes the long way, over the container's standard streams, passes through the broker, Docker and the container's shim,
//! there and back. The broker knows the first process of a container and the socket that it listens as, and the launcher can connect to
//! it. Whatever is in the way (Docker elsewhere, gVisor, a container of an earlier release) leaves the long way.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atoll_broker_protocol::{Answer, Call};
use atoll_ports::{AgentShortcut, ContainerAgents};
use atoll_types::SandboxId;

use crate::Broker;

/// How long it may take to find it: one look of Docker's and one call of the launcher's, a few milliseconds. Behind it there is the long
/// way, for which somebody waits two seconds in all.
const TIME: Duration = Duration::from_millis(500);

/// The short way to agents of the runtime `docker`.
#[derive(Debug, Clone)]
pub struct Shortcut {
    broker: Broker,
    agents: Arc<dyn ContainerAgents>,
}

impl Shortcut {
    /// The way that the broker tells and `agents` goes.
    #[must_use]
    pub fn new(broker: Broker, agents: Arc<dyn ContainerAgents>) -> Self {
        Self { broker, agents }
    }

    async fn connected(&self, sandbox: &SandboxId) -> Option<OwnedFd> {
        let found = self.broker.call(&Call::Agent { sandbox: sandbox.clone() }).await;
        let Ok(Answer::Agent { process, socket }) = found else {
            tracing::debug!(%sandbox, "no short way to the agent: {found:?}");
            return None;
        };
        let connected = self.agents.connect(process, &socket).await;
        connected.inspect_err(|error| tracing::debug!(%sandbox, %error, "no short way to the agent")).ok()
    }
}

#[async_trait]
impl AgentShortcut for Shortcut {
    async fn connect(&self, sandbox: &SandboxId) -> Option<OwnedFd> {
        tokio::time::timeout(TIME, self.connected(sandbox)).await.ok().flatten()
    }
}
