//! Writing blocks where its reader is slow: a thread of its own does it. A little, such as the echo of a key, is written at
//! once where it can be: waking the thread takes longer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atoll_types::OutputStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{mpsc, oneshot};

use crate::printer::Printer;

/// Pieces that wait to be written, each of at most 64 KiB.
const PIECES_WAITING_MAX: usize = 16;

/// Most that is written at once, in bytes: what is ready for more takes so much without waiting.
const AT_ONCE_BYTES_MAX: usize = 256;

/// Writes pieces in their order.
pub(crate) struct Writer {
    printer: Printer,
    /// Pieces that the thread has not written yet.
    waiting: Arc<AtomicUsize>,
    pieces: mpsc::Sender<(OutputStream, Vec<u8>)>,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Writer {
    pub(crate) fn start(printer: Printer) -> Self {
        let (pieces, mut waiting) = mpsc::channel::<(OutputStream, Vec<u8>)>(PIECES_WAITING_MAX);
        let (end, ended) = oneshot::channel();
        let unwritten = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&unwritten);
        std::thread::spawn(move || {
            let mut result = Ok(());
            while result.is_ok()
                && let Some((stream, data)) = waiting.blocking_recv()
            {
                result = printer.bytes(stream, &data);
                written.fetch_sub(1, Ordering::Release);
            }
            let _nobody_asks = end.send(result);
        });
        Self { printer, waiting: unwritten, pieces, ended }
    }

    /// Waits while too many pieces do. What goes wrong is told by [`Self::failed`].
    pub(crate) async fn write(&mut self, stream: OutputStream, data: Vec<u8>) {
        // The thread says what goes wrong; it is left what fails here.
        let at_once = data.len() <= AT_ONCE_BYTES_MAX
            && self.waiting.load(Ordering::Acquire) == 0
            && takes_more(stream)
            && self.printer.bytes(stream, &data).is_ok();
        if !at_once {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let _failed = self.pieces.send((stream, data)).await;
        }
    }

    /// Waits until writing fails. Cancel safety: an error that was not returned is returned by the next call.
    pub(crate) async fn failed(&mut self) -> io::Error {
        ended(&mut self.ended).await.err().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Waits until everything is written.
    pub(crate) async fn finish(self) -> io::Result<()> {
        let Self { pieces, ended: mut end, .. } = self;
        drop(pieces);
        ended(&mut end).await
    }
}

async fn ended(end: &mut oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
    end.await.unwrap_or_else(|_| Err(io::Error::other("the writer is gone")))
}

fn takes_more(stream: OutputStream) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let mut waited = [match stream {
        OutputStream::Stdout => PollFd::new(&stdout, PollFlags::OUT),
        OutputStream::Stderr => PollFd::new(&stderr, PollFlags::OUT),
    }];
    poll(&mut waited, Some(&at_once)).is_ok_and(|ready| ready > 0)
}
