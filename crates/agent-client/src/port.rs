//! Connections to ports inside, through the agent.

use std::io;
use std::num::NonZeroU16;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use atoll_agent_protocol::v1::PortPiece;
use atoll_agent_protocol::{PORT_CONNECTIONS_MAX, PORT_PIECE_BYTES_MAX, port_piece};
use atoll_ports::{AgentError, AgentPorts, Connection, DialError};
use atoll_types::SandboxId;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::PollSender;
use tonic::{Code, Status, Streaming};

use crate::AgentClient;
use crate::answer::bounded;
use crate::client::older;
use crate::connection::Lease;

/// Longest time until an agent answers: it gives whoever listens five seconds.
const DIAL_LIMIT: Duration = Duration::from_secs(8);
/// Pieces that wait to be sent: one, while the next is made.
const PIECES_WAITING: usize = 1;

#[async_trait]
impl AgentPorts for AgentClient {
    async fn dial(&self, sandbox: &SandboxId, port: NonZeroU16) -> Result<Connection, DialError> {
        let (mut calls, lease) = self.ports.calls(sandbox).await.map_err(unreachable)?;
        if !lease.can.ports {
            return Err(DialError::Failed(older("has no way to ports").to_string()));
        }
        let (outgoing, waiting) = mpsc::channel(PIECES_WAITING);
        // There is room for the first, and nobody else sends.
        let _sent = outgoing.try_send(PortPiece { port: port.get().into(), ..PortPiece::default() });
        let answer = timeout(DIAL_LIMIT, calls.dial(ReceiverStream::new(waiting))).await;
        let incoming = answer.map_err(|_| DialError::TimedOut)?.map_err(|status| refused(&status))?;
        Ok(Box::new(PortStream {
            incoming: incoming.into_inner(),
            piece: Bytes::new(),
            ended: false,
            outgoing: PollSender::new(outgoing),
            _lease: lease,
        }))
    }
}

fn unreachable(error: AgentError) -> DialError {
    match error {
        AgentError::Unreachable(_) => DialError::NotRunning,
        other => DialError::Failed(other.to_string()),
    }
}

fn refused(status: &Status) -> DialError {
    match status.code() {
        Code::FailedPrecondition => DialError::Refused,
        Code::DeadlineExceeded => DialError::TimedOut,
        Code::ResourceExhausted => {
            DialError::Failed(format!("{PORT_CONNECTIONS_MAX} connections into it are open"))
        }
        _ => DialError::Failed(bounded(status.message())),
    }
}

/// A connection; dropping it cuts it off.
#[derive(Debug)]
struct PortStream {
    incoming: Streaming<PortPiece>,
    /// What came and was not taken yet.
    piece: Bytes,
    /// Whether nothing more comes.
    ended: bool,
    outgoing: PollSender<PortPiece>,
    _lease: Lease,
}

impl AsyncRead for PortStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.piece.is_empty() {
                let length = self.piece.len().min(into.remaining());
                into.put_slice(&self.piece.split_to(length));
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.incoming).poll_next(context)) {
                Some(Ok(piece)) if piece.data.len() <= PORT_PIECE_BYTES_MAX => {
                    self.ended = piece.end;
                    self.piece = piece.data;
                }
                Some(Ok(_)) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                // Without the end that it says itself it was cut off.
                Some(Err(_)) | None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
    }
}

impl AsyncWrite for PortStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.outgoing.poll_reserve(context)).map_err(gone)?;
        let piece = piece_of(bytes);
        let length = piece.data.len();
        self.outgoing.send_item(piece).map_err(gone)?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The end of what is sent is the end of the requests; answers still come.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}

/// As much as goes in one piece.
fn piece_of(bytes: &[u8]) -> PortPiece {
    port_piece(Bytes::copy_from_slice(bytes.get(..PORT_PIECE_BYTES_MAX).unwrap_or(bytes)))
}

#[cfg(test)]
mod tests {
    use atoll_agent_protocol::PIECE_ROOM_BYTES;

    use super::*;

    #[test]
    fn a_small_piece_takes_its_room_and_a_large_one_no_more_than_its_bytes() {
        for length in [1, 1_000, PIECE_ROOM_BYTES, PORT_PIECE_BYTES_MAX, 1 << 20] {
            let piece = piece_of(&vec![b'x'; length]);
            assert_eq!(piece.data.len(), length.min(PORT_PIECE_BYTES_MAX));
            let (on_the_way, wanted) =
                (atoll_agent_protocol::encode(&piece).len(), piece.data.len().max(PIECE_ROOM_BYTES));
            assert!((wanted..wanted + 10).contains(&on_the_way), "{length}: {on_the_way}");
        }
    }
}
