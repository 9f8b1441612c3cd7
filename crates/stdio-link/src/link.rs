//! The two ends of a link.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::driver::{drive_guest, drive_host};
use crate::shared::{Phase, Shared};
use crate::state::Side;
use crate::stream::Stream;

/// One end of a link. A cheap handle: all clones are the same end.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

impl Link {
    /// Attaches to a guest: `reader` is its standard output, `writer` its standard input. The nonce must be fresh and random, and
    /// known to nobody else.
    ///
    /// Nothing happens but in the driver. It ends, and the link with it, with the reason: [`io::ErrorKind::UnexpectedEof`] where
    /// a pipe ended, [`io::ErrorKind::InvalidData`] where the guest broke the rules or frames were missing, or an error of the pipes.
    /// Dropping it closes the link.
    pub fn host<R, W>(
        reader: R,
        writer: W,
        nonce: u64,
    ) -> (Self, impl Future<Output = io::Error> + Send + use<R, W>)
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::new(Shared::new(Side::Host, Some(nonce)));
        let driver = drive_host(reader, writer, Closing(Arc::clone(&shared)));
        (Self { shared }, driver)
    }

    /// Serves hosts that attach one after the other: `reader` is standard input, `writer` standard output. The end of either
    /// is the end of an attach at most: both are tried again, for ever.
    pub fn guest<R, W>(reader: R, writer: W) -> (Self, impl Future<Output = Infallible> + Send + use<R, W>)
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::new(Shared::new(Side::Guest, None));
        let driver = drive_guest(reader, writer, Closing(Arc::clone(&shared)));
        (Self { shared }, driver)
    }

    /// Opens a stream, of a host. It can be written to at once, before the guest has answered the hello.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotConnected`] when the link is closed, [`io::ErrorKind::ResourceBusy`] when [`crate::STREAMS_MAX`] are
    /// open, [`io::ErrorKind::Unsupported`] of a guest.
    pub fn open(&self) -> io::Result<Stream> {
        let mut state = self.shared.state();
        let id = state.open()?;
        let epoch = state.epoch;
        drop(state);
        self.shared.work.notify_one();
        Ok(Stream::new(Arc::clone(&self.shared), epoch, id))
    }

    /// The next stream that a host opens, of a guest. Nothing when the link is closed. One task at a time may wait.
    pub async fn accept(&self) -> Option<Stream> {
        loop {
            {
                let mut state = self.shared.state();
                if let Some(id) = state.accept() {
                    return Some(Stream::new(Arc::clone(&self.shared), state.epoch, id));
                }
            }
            if self.shared.is_closed() {
                return None;
            }
            self.shared.opened.notified().await;
        }
    }

    /// Waits until the guest has answered the hello; false when the link is closed instead.
    pub async fn ready(&self) -> bool {
        self.shared.until(&[Phase::Ready, Phase::Closed]).await;
        !self.shared.is_closed()
    }

    /// Waits until the link is closed.
    pub async fn closed(&self) {
        self.shared.until(&[Phase::Closed]).await;
    }

    /// Whether it is.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }
}

/// Closes the link when its driver ends or is dropped.
#[derive(Debug)]
pub(crate) struct Closing(pub(crate) Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}
