//! Writing blocks where its reader is slow: a thread of its own does it.

use std::io;

use atoll_types::OutputStream;
use tokio::sync::{mpsc, oneshot};

use crate::printer::Printer;

/// Pieces that wait to be written, each of at most 64 KiB.
const PIECES_WAITING_MAX: usize = 16;

/// Writes pieces in their order.
pub(crate) struct Writer {
    pieces: mpsc::Sender<(OutputStream, Vec<u8>)>,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Writer {
    pub(crate) fn start(printer: Printer) -> Self {
        let (pieces, mut waiting) = mpsc::channel::<(OutputStream, Vec<u8>)>(PIECES_WAITING_MAX);
        let (end, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let mut result = Ok(());
            while result.is_ok()
                && let Some((stream, data)) = waiting.blocking_recv()
            {
                result = printer.bytes(stream, &data);
            }
            let _nobody_asks = end.send(result);
        });
        Self { pieces, ended }
    }

    /// Waits while too many pieces do. What goes wrong is told by [`Self::failed`].
    pub(crate) async fn write(&mut self, stream: OutputStream, data: Vec<u8>) {
        let _failed = self.pieces.send((stream, data)).await;
    }

    /// Waits until writing fails. Cancel safety: an error that was not returned is returned by the next call.
    pub(crate) async fn failed(&mut self) -> io::Error {
        ended(&mut self.ended).await.err().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Waits until everything is written.
    pub(crate) async fn finish(self) -> io::Result<()> {
        let Self { pieces, ended: mut end } = self;
        drop(pieces);
        ended(&mut end).await
    }
}

async fn ended(end: &mut oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
    end.await.unwrap_or_else(|_| Err(io::Error::other("the writer is gone")))
}
