//! Connections to ports inside, for who has no other way here than this program: in a container of another engine.
//!
//! ```text
//!  serve ══(Dial: pieces)══► this program ── TCP ──► 127.0.0.1:port
//! ```
//! Whoever listens there belongs to the workload. Nothing of what goes through is looked at; each connection holds a piece each way,
//! what the windows let through and what its socket holds, so the pace is that of the slower side.

use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atoll_agent_protocol::v1::PortPiece;
use atoll_agent_protocol::{PORT_CONNECTIONS_MAX, PORT_PIECE_BYTES_MAX, port_piece};
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::agent::Agent;
use crate::task;

/// How long whoever listens may take to have room in his queue, as for native sandboxes.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// What the kernel is asked to keep of each connection's bytes for whoever listens, in bytes (it doubles that): it would let it grow to
/// 4 MiB, times as many as there are.
const SOCKET_BYTES: u32 = 64 << 10;
/// Pieces that wait to be sent: one, while the next is read.
const PIECES_WAITING: usize = 1;

/// What is said at the port.
pub(crate) type Said = ReceiverStream<Result<PortPiece, Status>>;

/// One of [`PORT_CONNECTIONS_MAX`] places, for as long as its connection lives.
#[derive(Debug)]
struct Seat(Arc<Agent>);

/// Counts the connections.
#[derive(Debug, Default)]
pub(crate) struct Connections(AtomicUsize);

impl Seat {
    fn take(agent: &Arc<Agent>) -> Result<Self, Status> {
        let seat = Self(Arc::clone(agent));
        if agent.connections.0.fetch_add(1, Ordering::Relaxed) < PORT_CONNECTIONS_MAX {
            Ok(seat)
        } else {
            Err(Status::resource_exhausted(format!("{PORT_CONNECTIONS_MAX} connections are open")))
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.0.fetch_sub(1, Ordering::Relaxed);
        self.0.trimmer.freed();
    }
}

/// Connects to the port that the first message names, and carries what comes both ways.
pub(crate) async fn dial(agent: &Arc<Agent>, mut pieces: Streaming<PortPiece>) -> Result<Said, Status> {
    let seat = Seat::take(agent)?;
    let first =
        pieces.message().await?.ok_or_else(|| Status::invalid_argument("a first message is missing"))?;
    let port = u16::try_from(first.port).ok().and_then(NonZeroU16::new);
    let port = port.ok_or_else(|| Status::invalid_argument("no such port"))?;
    let stream = match tokio::time::timeout(CONNECT_TIME, connected(port)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Err(Status::failed_precondition("nothing listens there"));
        }
        Ok(Err(error)) => return Err(Status::internal(error.to_string())),
        Err(_) => return Err(Status::deadline_exceeded("whoever listens there does not answer")),
    };
    agent.activity.touch();
    let (said, waiting) = channel(PIECES_WAITING);
    task::spawn(async move {
        carry(stream, pieces, &said).await;
        drop(seat);
    });
    Ok(ReceiverStream::new(waiting))
}

async fn connected(port: NonZeroU16) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SOCKET_BYTES)?;
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port.get()).into()).await?;
    // Where nobody listens on a port of the range that connections are given theirs from, a socket can meet itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Until both ways have ended, one has failed, or nobody listens any more.
async fn carry(stream: TcpStream, pieces: Streaming<PortPiece>, said: &Sender<Result<PortPiece, Status>>) {
    let (reading, writing) = stream.into_split();
    let both = async { tokio::try_join!(inwards(pieces, writing), outwards(reading, said)) };
    let failed = tokio::select! {
        done = both => done.err(),
        () = said.closed() => None,
    };
    if let Some(status) = failed {
        // Nobody listens: then nobody needs to know.
        let _unheard = said.send(Err(status)).await;
    }
}

async fn inwards(mut pieces: Streaming<PortPiece>, mut writing: OwnedWriteHalf) -> Result<(), Status> {
    while let Some(piece) = pieces.message().await? {
        if piece.data.len() > PORT_PIECE_BYTES_MAX {
            return Err(Status::invalid_argument("a piece is too large"));
        }
        writing.write_all(&piece.data).await.map_err(broken)?;
    }
    writing.shutdown().await.map_err(broken)
}

async fn outwards(reading: OwnedReadHalf, said: &Sender<Result<PortPiece, Status>>) -> Result<(), Status> {
    loop {
        // Before there is something to read it costs no memory.
        reading.readable().await.map_err(broken)?;
        let mut data = BytesMut::with_capacity(PORT_PIECE_BYTES_MAX);
        let length = match reading.try_read_buf(&mut data) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(broken(error)),
        };
        let piece = PortPiece { end: length == 0, ..port_piece(data.freeze()) };
        if said.send(Ok(piece)).await.is_err() || length == 0 {
            return Ok(());
        }
    }
}

/// The connection was cut off: whoever listens, or his end, did that.
fn broken(error: io::Error) -> Status {
    Status::aborted(error.to_string())
}
