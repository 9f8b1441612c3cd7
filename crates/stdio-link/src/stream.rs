//! One stream, as whoever reads and writes sees it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::shared::{Shared, broken};
use crate::state::{Entry, Fin};

/// One byte stream of a link. Dropping it ends it both ways at once; to have all arrive that was written, shut it down
/// first. When the link or its attach ends, reads and writes fail with [`io::ErrorKind::ConnectionReset`].
pub struct Stream {
    shared: Arc<Shared>,
    epoch: u64,
    id: u32,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("epoch", &self.epoch).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Stream {
    pub(crate) const fn new(shared: Arc<Shared>, epoch: u64, id: u32) -> Self {
        Self { shared, epoch, id }
    }

    /// Runs `with` with the stream, where it is known still; its end tells whether something is to be sent.
    fn with<T>(&self, with: impl FnOnce(&mut Entry) -> (Poll<io::Result<T>>, bool)) -> Poll<io::Result<T>> {
        let mut state = self.shared.state();
        let same = state.epoch == self.epoch;
        let Some(entry) = state.entries.get_mut(&self.id).filter(|_| same) else {
            return Poll::Ready(Err(broken()));
        };
        let (answer, tell) = with(entry);
        drop(state);
        if tell {
            self.shared.work.notify_one();
        }
        answer
    }

    fn write(&self, context: &Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.with(|entry| {
            if entry.reset {
                return (Poll::Ready(Err(broken())), false);
            }
            if entry.fin != Fin::Open {
                return (Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())), false);
            }
            let mut taken = 0;
            for piece in pieces {
                let of_piece = entry.take(piece);
                taken += of_piece;
                if of_piece < piece.len() {
                    break;
                }
            }
            if taken == 0 && pieces.iter().any(|piece| !piece.is_empty()) {
                entry.writer = Some(context.waker().clone());
                return (Poll::Pending, false);
            }
            (Poll::Ready(Ok(taken)), true)
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|entry| {
            if into.remaining() == 0 {
                return (Poll::Ready(Ok(())), false);
            }
            let given = entry.give(|bytes| {
                let bytes = bytes.get(..into.remaining()).unwrap_or(bytes);
                into.put_slice(bytes);
                bytes.len()
            });
            if given > 0 || entry.fin_received {
                return (Poll::Ready(Ok(())), entry.window_due());
            }
            if entry.reset {
                return (Poll::Ready(Err(broken())), false);
            }
            entry.reader = Some(context.waker().clone());
            (Poll::Pending, false)
        })
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What was written goes out by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Until all that was written is on its way, and the end behind it. The other direction stays.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|entry| {
            if entry.fin == Fin::Sent {
                return (Poll::Ready(Ok(())), false);
            }
            if entry.reset {
                return (Poll::Ready(Err(broken())), false);
            }
            entry.fin = Fin::Wanted;
            entry.writer = Some(context.waker().clone());
            (Poll::Pending, true)
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.epoch == self.epoch && state.drop_stream(self.id) {
            self.shared.work.notify_one();
        }
    }
}
