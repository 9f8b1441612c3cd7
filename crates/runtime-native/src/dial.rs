//! Connections into sandboxes: the launcher makes the socket, and the end of its connecting is waited for here.

use std::io::{Error, ErrorKind};
use std::net::TcpStream as StdStream;
use std::num::{NonZeroU16, NonZeroU32};
use std::os::fd::OwnedFd;
use std::time::Duration;

use async_trait::async_trait;
use atoll_launcher_protocol::{Answer, Call, Failure, FailureKind};
use atoll_ports::{Connection, ContainerAgents, DialError, RuntimeError};
use atoll_types::{AgentSocketId, SandboxId};
use tokio::net::TcpStream;

use crate::NativeRuntime;
use crate::convert::{self, CallError};

/// How long the launcher may take: it does it between two other requests, a new launcher after its start.
const SOCKET_TIME: Duration = Duration::from_secs(5);

/// How long whoever listens inside may take to have room in his queue: on loopback the rest takes no time, and the kernel tries
/// again after 1 and after 3 seconds.
const CONNECT_TIME: Duration = Duration::from_secs(5);

impl NativeRuntime {
    pub(crate) async fn dial_now(
        &self,
        sandbox: &SandboxId,
        port: NonZeroU16,
    ) -> Result<Connection, DialError> {
        let call = Call::Dial { sandbox: sandbox.clone(), port };
        let (answer, sockets) = self.call_with(call, None, SOCKET_TIME).await.map_err(failed)?;
        let (Answer::Dialing, Ok([socket])) = (&answer, <[_; 1]>::try_from(sockets)) else {
            return Err(failed(CallError::unexpected(&answer)));
        };
        let stream = TcpStream::from_std(StdStream::from(socket)).map_err(|error| broken(&error))?;
        match tokio::time::timeout(CONNECT_TIME, connected(&stream)).await {
            Ok(Ok(())) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(DialError::TimedOut),
        }
    }
}

#[async_trait]
impl ContainerAgents for NativeRuntime {
    async fn connect(&self, process: NonZeroU32, socket: &AgentSocketId) -> Result<OwnedFd, RuntimeError> {
        let call = Call::DialAgent { process, socket: socket.clone() };
        let (answer, sockets) = self.call_with(call, None, SOCKET_TIME).await.map_err(convert::runtime)?;
        match (&answer, <[_; 1]>::try_from(sockets)) {
            (Answer::Dialed, Ok([socket])) => Ok(socket),
            _ => Err(convert::runtime(CallError::unexpected(&answer))),
        }
    }
}

/// Waits for the end of the connecting.
async fn connected(stream: &TcpStream) -> Result<(), Error> {
    stream.writable().await?;
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    // Where nobody listens on a port of the range that connections are given theirs from, a socket can meet itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    // What is copied through it comes in pieces already.
    stream.set_nodelay(true)
}

fn broken(error: &Error) -> DialError {
    match error.kind() {
        ErrorKind::ConnectionRefused => DialError::Refused,
        ErrorKind::TimedOut => DialError::TimedOut,
        _ => DialError::Failed(error.to_string()),
    }
}

fn failed(error: CallError) -> DialError {
    match error {
        CallError::Failed(Failure { kind: FailureKind::NotFound, .. }) => DialError::NotRunning,
        CallError::Failed(Failure { kind: FailureKind::System, message }) => DialError::Failed(message),
        // The launcher of a release before this one, which an upgrade ends in a moment.
        CallError::Failed(Failure { kind: FailureKind::Invalid, message }) => {
            RuntimeError::Unavailable(message).into()
        }
        other => convert::runtime(other).into(),
    }
}
