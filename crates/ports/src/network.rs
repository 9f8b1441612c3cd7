//! Connections into sandboxes, and the ports of the host that lead to them.

use std::num::{NonZeroU16, NonZeroU32};
use std::os::fd::OwnedFd;

use async_trait::async_trait;
use atoll_types::{AgentSocketId, SandboxId};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::RuntimeError;

/// Bytes both ways, in order; `shutdown` ends one way and leaves the other.
pub trait ByteStream: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin> ByteStream for T {}

/// A connection, to a sandbox or to a client. What comes out of it is hostile.
pub type Connection = Box<dyn ByteStream>;

/// Why there is no connection to a port of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Nothing runs in it.
    #[error("the sandbox does not run")]
    NotRunning,
    /// Nothing listens there.
    #[error("nothing listens on the port inside the sandbox")]
    Refused,
    /// Whoever listens does not take connections.
    #[error("whoever listens on the port inside the sandbox does not answer")]
    TimedOut,
    /// The connection could not be made for another reason, such as a sandbox without a free port of its own.
    #[error("the connection into the sandbox failed: {0}")]
    Failed(String),
    /// The runtime could not be asked, or refused.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// The way to ports of sandboxes through their agents, where the runtime has none of its own.
#[async_trait]
pub trait AgentPorts: std::fmt::Debug + Send + Sync {
    /// Connects to a TCP port of the loopback interface inside a running sandbox, in bounded time.
    async fn dial(&self, sandbox: &SandboxId, port: NonZeroU16) -> Result<Connection, DialError>;
}

/// A way to the agent of a sandbox that is shorter than the usual one.
#[async_trait]
pub trait AgentShortcut: std::fmt::Debug + Send + Sync {
    /// Connects, in bounded time; nothing where it leads nowhere, which does not say that the sandbox is down.
    async fn connect(&self, sandbox: &SandboxId) -> Option<OwnedFd>;
}

/// Connects to agents of containers that another engine runs on this machine.
#[async_trait]
pub trait ContainerAgents: std::fmt::Debug + Send + Sync {
    /// Connects to the agent that is the first process of a container, by its number here and the socket that it was told. The socket
    /// does not block.
    async fn connect(&self, process: NonZeroU32, socket: &AgentSocketId) -> Result<OwnedFd, RuntimeError>;
}

/// Keeps what is on bridges that another engine makes, on this machine, from the machine itself, from each other, and from whatever no sandbox
/// may reach.
#[async_trait]
pub trait BridgeGuard: std::fmt::Debug + Send + Sync {
    /// Puts the rules in place where they are missing; nothing may be connected to such a bridge before. Idempotent.
    async fn guard(&self) -> Result<(), RuntimeError>;
}

/// Why a port of the host cannot be listened on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostPortError {
    /// Somebody else has it, or only root may have it: another may be free.
    #[error("the port is not to be had")]
    Taken,
    /// No port can be had now.
    #[error("{0}")]
    Failed(String),
}

/// TCP ports of the host, at the address that the operator chose.
#[async_trait]
pub trait HostPorts: std::fmt::Debug + Send + Sync {
    /// Listens on a port; none: on any that is free.
    async fn listen(&self, port: Option<NonZeroU16>) -> Result<Box<dyn HostListener>, HostPortError>;
}

/// A port that is listened on; dropping it closes the port at once.
#[async_trait]
pub trait HostListener: std::fmt::Debug + Send + Sync {
    /// Which port.
    fn port(&self) -> NonZeroU16;
    /// The next client. Cancel safe: a client that was not returned is still there.
    async fn accept(&self) -> std::io::Result<Connection>;
}
