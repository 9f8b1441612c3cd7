//! A connection that tells when anything moves.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use atoll_ports::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What has moved.
#[derive(Debug)]
pub(super) struct Meter {
    /// Reads and writes so far.
    moves: AtomicU64,
    /// The sandbox's own mark.
    active: Arc<AtomicBool>,
}

impl Meter {
    pub(super) fn new(active: Arc<AtomicBool>) -> Self {
        Self { moves: AtomicU64::new(0), active }
    }

    fn note(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
        self.active.store(true, Ordering::Relaxed);
    }

    /// Waits until nothing has moved for this long, twice as long at most. Cancel safe: it only looks.
    pub(super) async fn silence(&self, time: Duration) {
        let mut seen = self.moves.load(Ordering::Relaxed);
        loop {
            tokio::time::sleep(time).await;
            let now = self.moves.load(Ordering::Relaxed);
            if now == seen {
                return;
            }
            seen = now;
        }
    }
}

/// A connection with a meter.
#[derive(Debug)]
pub(super) struct Counted {
    connection: Connection,
    meter: Arc<Meter>,
}

impl Counted {
    pub(super) fn new(connection: Connection, meter: Arc<Meter>) -> Self {
        Self { connection, meter }
    }

    fn written(&self, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.meter.note();
        }
        written
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.connection).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.meter.note();
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write(cx, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write_vectored(cx, pieces);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
