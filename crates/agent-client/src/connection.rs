//! One HTTP/2 connection to an agent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use atoll_agent_protocol::frames::FILE_HELPERS_MAX;
use atoll_agent_protocol::v1::HelloRequest;
use atoll_agent_protocol::v1::agent_client::AgentClient as Calls;
use atoll_agent_protocol::{
    CAPABILITY_EXEC_TTY, CAPABILITY_HAND_OVER, CAPABILITY_PORTS, CAPABILITY_PROBE, MESSAGE_BYTES_MAX,
    PORT_CONNECTIONS_MAX, PROTOCOL_VERSION, TERMINAL_OUTPUT_BYTES_MAX, TERMINAL_VIEWERS_MAX,
};
use atoll_ports::AgentError;
use atoll_types::SandboxId;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tonic::body::Body;
use tower::Service;

use crate::answer::{bounded, error_of};
use crate::gather::Gather;
use crate::way::{Way, connect};

/// A connection that nobody has used for this long is closed: an idle sandbox costs no buffers on either side.
pub(crate) const IDLE_CLOSE_AFTER: Duration = Duration::from_secs(30);
/// Longest time from the first try to connect to the answer to Hello: a live agent takes less than a millisecond.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How much an agent may have under way, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    stream: u32,
    connection: u32,
}

impl Windows {
    /// Execs: four chunks of each; all of them are read unless a log cannot be written.
    pub(crate) const EXECS: Self = Self { stream: 256 << 10, connection: 2 << 20 };
    /// Terminals: two pieces of each. A viewer may read nothing for long: all of them fit at once, with as much again for
    /// answers.
    pub(crate) const TERMINALS: Self = Self { stream: 64 << 10, connection: 8 << 20 };
    /// Files: four pieces of each helper. Who downloads may take nothing for long: all of them fit at once.
    pub(crate) const FILES: Self = Self { stream: 256 << 10, connection: 8 << 20 };
    /// Ports: four pieces of each connection. Clients may take nothing for long: all of them fit at once.
    pub(crate) const PORTS: Self = Self { stream: 64 << 10, connection: 32 << 20 };
}

const _: () = {
    assert!(atoll_ports::EXEC_EVENT_BYTES == atoll_agent_protocol::EXEC_EVENT_BYTES);
    let streams = Windows::TERMINALS.connection / Windows::TERMINALS.stream;
    assert!(streams as usize >= 2 * TERMINAL_VIEWERS_MAX);
    assert!(Windows::TERMINALS.stream as usize >= 2 * TERMINAL_OUTPUT_BYTES_MAX);
    assert!((Windows::PORTS.connection / Windows::PORTS.stream) as usize >= PORT_CONNECTIONS_MAX);
    assert!((Windows::FILES.connection / Windows::FILES.stream) as usize > FILE_HELPERS_MAX);
};

/// Largest frame, in bytes: a chunk of output in one.
const FRAME_BYTES: u32 = 128 << 10;
/// HTTP wants a name; there is only one agent at the other end.
const ORIGIN: &str = "http://agent.atoll";

/// The calls, over one connection.
pub(crate) type AgentCalls = Calls<Sender>;

/// What an agent can do beyond what all of its version can.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Abilities {
    /// It runs commands in terminals.
    pub(crate) exec_tty: bool,
    /// Its file helpers hand descriptors over.
    pub(crate) hand_over: bool,
    /// It runs health checks.
    pub(crate) probe: bool,
    /// It connects to ports.
    pub(crate) ports: bool,
}

/// An open connection whose agent speaks our version.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    usage: Arc<Mutex<Usage>>,
    can: Abilities,
    /// Carries the bytes; ends with this value, or when nobody uses the connection.
    _driver: JoinSet<()>,
}

#[derive(Debug)]
struct Usage {
    active: usize,
    last: Instant,
    closing: bool,
}

/// The right to use a connection; it counts as used until this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    usage: Arc<Mutex<Usage>>,
    /// What its agent can do.
    pub(crate) can: Abilities,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut usage = self.usage.lock();
        usage.active -= 1;
        usage.last = Instant::now();
    }
}

impl Connection {
    /// Connects to the agent of `sandbox` and greets it.
    pub(crate) async fn open(
        ways: &[Way],
        sandbox: &SandboxId,
        idle_close_after: Duration,
        windows: Windows,
    ) -> Result<Self, AgentError> {
        let greeted = async {
            let stream = connect(ways, sandbox).await?;
            let mut connection = Self::start(stream, idle_close_after, windows).await?;
            connection.can = connection.greet().await?;
            Ok(connection)
        };
        timeout(CONNECT_LIMIT, greeted)
            .await
            .unwrap_or_else(|_| Err(AgentError::Unreachable("no answer within 2 s".to_owned())))
    }

    async fn start(
        stream: UnixStream,
        idle_close_after: Duration,
        windows: Windows,
    ) -> Result<Self, AgentError> {
        let (sender, driver) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(windows.stream)
            .initial_connection_window_size(windows.connection)
            .max_frame_size(FRAME_BYTES)
            .handshake(TokioIo::new(Gather::new(stream)))
            .await
            .map_err(|e| AgentError::Unreachable(e.to_string()))?;
        let usage = Arc::new(Mutex::new(Usage { active: 0, last: Instant::now(), closing: false }));
        let idle = until_idle(Arc::clone(&usage), idle_close_after);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Both only wait: a connection that is dropped is closed.
            tokio::select! {
                ended = driver => if let Err(error) = ended {
                    tracing::debug!(%error, "connection to an agent ended");
                },
                () = idle => {}
            }
        });
        Ok(Self { sender, usage, can: Abilities::default(), _driver: tasks })
    }

    async fn greet(&self) -> Result<Abilities, AgentError> {
        let request = HelloRequest { protocol_version: PROTOCOL_VERSION };
        let hello = self.calls().hello(request).await.map_err(|status| error_of(&status))?.into_inner();
        // Within a version things are only added, so any agent of the same version will do.
        if hello.protocol_version == PROTOCOL_VERSION {
            let has = |name: &str| hello.capabilities.iter().any(|capability| capability == name);
            Ok(Abilities {
                exec_tty: has(CAPABILITY_EXEC_TTY),
                hand_over: has(CAPABILITY_HAND_OVER),
                probe: has(CAPABILITY_PROBE),
                ports: has(CAPABILITY_PORTS),
            })
        } else {
            let version = bounded(&hello.agent_version);
            let theirs = hello.protocol_version;
            Err(AgentError::Protocol(format!(
                "agent {version} speaks version {theirs}, this program {PROTOCOL_VERSION}: restart the sandbox"
            )))
        }
    }

    /// The right to use it; nothing when it is closed or about to be.
    pub(crate) fn lease(&self) -> Option<Lease> {
        let mut usage = self.usage.lock();
        if usage.closing || self.sender.is_closed() {
            return None;
        }
        usage.active += 1;
        Some(Lease { usage: Arc::clone(&self.usage), can: self.can })
    }

    /// The calls over it.
    pub(crate) fn calls(&self) -> AgentCalls {
        Calls::with_origin(Sender(self.sender.clone()), Uri::from_static(ORIGIN))
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

/// Until nobody has used the connection for that long; from then on nobody can.
async fn until_idle(usage: Arc<Mutex<Usage>>, limit: Duration) {
    loop {
        let wait = {
            let mut usage = usage.lock();
            let unused = if usage.active == 0 { usage.last.elapsed() } else { Duration::ZERO };
            usage.closing = unused >= limit;
            if usage.closing {
                return;
            }
            limit - unused
        };
        sleep(wait).await;
    }
}

/// Sends requests; what tonic's generated code wants of a transport.
#[derive(Debug, Clone)]
pub(crate) struct Sender(SendRequest<Body>);

impl Service<Request<Body>> for Sender {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
