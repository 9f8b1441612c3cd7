//! Takes connections and speaks HTTP/2 on them; those that ask for a descriptor go on to a file helper.
//!
//! Only serve can connect: the socket's path is on the host's side, and so are the other ends of standard input and output; where
//! the socket is in a container, whoever else connects is hung up on. Buffers and the window of a call are small all the same, since an
//! agent stands in every sandbox: what waits to be sent stays in the rings.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use atoll_agent_protocol::PORT_CONNECTIONS_MAX;
use atoll_agent_protocol::hand_over::{HELLO, HELLO_BYTES, parse_hello};
use atoll_stdio_link::Link;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::agent::Agent;
use crate::server::Server;
use crate::{files, task};

/// Most connections at once: two serves, and what they have not closed yet.
const CONNECTIONS_MAX: usize = 16;
/// Most calls at once on a connection: a stream for each exec, and short calls.
const STREAMS_MAX: u32 = 1_024;
/// How much of one call's request may be under way, in bytes: a chunk of input in its envelope, or five pieces for a port.
const STREAM_WINDOW_BYTES: u32 = 80 << 10;
/// Streams that may fill theirs and leave room for others: who listens inside may take nothing for long, so what is on its way
/// to all ports fits at once.
const STREAMS_STUCK_MAX: u32 = 520;
const _: () = assert!(STREAMS_STUCK_MAX as usize > PORT_CONNECTIONS_MAX);
/// How much of all requests of a connection may be under way, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * STREAMS_STUCK_MAX;
/// How much of one stream of events waits in the connection, in bytes: one chunk, and the next.
const SEND_BUFFER_BYTES: usize = 128 << 10;
/// Longest time from the first byte of a connection that asks for a descriptor to its key: both are sent at once.
const HELLO_LIMIT: Duration = Duration::from_secs(2);
/// Pause after an error of accept: descriptors may be short for a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whose connections are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peers {
    /// Everybody's: nobody else can connect.
    All,
    /// Those of processes outside of this PID namespace. Processes of it and of those within have numbers in it; the kernel says 0 of
    /// others, and keeps the number of whoever connected.
    Outside,
}

impl Peers {
    fn may_connect(self, stream: &UnixStream) -> bool {
        match self {
            Self::All => true,
            Self::Outside => stream.peer_cred().is_ok_and(|peer| peer.pid() == Some(0)),
        }
    }
}

/// Listens as a name in the abstract space of this network namespace, where nobody needs a file.
pub(crate) fn listen_as(name: &str) -> io::Result<UnixListener> {
    let address = SocketAddr::from_abstract_name(name)?;
    let listener = std::os::unix::net::UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Takes connections for ever.
pub(crate) async fn accept(listener: UnixListener, peers: Peers, agent: Arc<Agent>) -> io::Result<()> {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await.map_err(io::Error::other)?;
        match listener.accept().await {
            Ok((stream, _)) if !peers.may_connect(&stream) => drop(stream),
            Ok((stream, _)) => {
                let agent = Arc::clone(&agent);
                task::spawn(async move {
                    speak(stream, &agent).await;
                    agent.trimmer.freed();
                    drop(permit);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Until the other side hangs up. What goes wrong on a connection is told to the other side; nobody reads a log here.
async fn speak(stream: UnixStream, agent: &Arc<Agent>) {
    if asks_for_descriptor(&stream).await {
        // Without an answer in time it is closed.
        let _late = tokio::time::timeout(HELLO_LIMIT, pass_on(stream, agent)).await;
        return;
    }
    speak_http(stream, agent).await;
}

/// Takes the streams that come over standard input and output, for ever. They are no more than the link has.
pub(crate) async fn accept_streams(link: Link, agent: Arc<Agent>) {
    while let Some(stream) = link.accept().await {
        let agent = Arc::clone(&agent);
        task::spawn(async move {
            speak_http(stream, &agent).await;
            agent.trimmer.freed();
        });
    }
}

async fn speak_http(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, agent: &Arc<Agent>) {
    let service = TowerToHyperService::new(Server::service(Arc::clone(agent)));
    let ended = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    drop(ended);
}

/// Whether a connection begins as one that asks for a descriptor. What it says stays unread.
async fn asks_for_descriptor(stream: &UnixStream) -> bool {
    let peek = || {
        let mut first = [0];
        recv(stream, &mut first, RecvFlags::PEEK)?;
        Ok(first == [HELLO])
    };
    stream.async_io(Interest::READABLE, peek).await.unwrap_or(false)
}

/// Hands the connection itself to the helper that it names.
async fn pass_on(mut stream: UnixStream, agent: &Agent) {
    let mut hello = [0; HELLO_BYTES];
    if stream.read_exact(&mut hello).await.is_ok()
        && let Some(key) = parse_hello(hello)
    {
        files::connect(agent, key, &stream);
    }
}
