//! The content of a file that was handed over, on its way out.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use atoll_agent_protocol::files_piece;
use atoll_agent_protocol::frames::FrameKind;
use atoll_agent_protocol::v1::FilesPiece;
use atoll_ports::{FileProblem, FilesError};
use bytes::Bytes;
use parking_lot::Mutex;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio_stream::Stream;

use super::hand_over::{BLOCK_BYTES, failed};
use super::session::{Parts, Session, early, framed};

/// How often the agent is told that its sandbox is in use, where it is: far below any time after which one is idle.
pub(super) const SIGN_PERIOD: Duration = Duration::from_secs(5);

/// The file, for as long as its helper is there; then why it is not.
type Slot = Arc<Mutex<Result<Arc<File>, FilesError>>>;

/// A part of a file, one block read ahead of who takes it.
#[derive(Debug)]
pub(super) struct DirectContent {
    file: Slot,
    at: u64,
    left: u64,
    /// Bytes that were taken, in all.
    taken: Arc<AtomicU64>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    over: bool,
    /// Closes the file when the call ends, even while nobody takes anything.
    _watch: JoinSet<()>,
}

impl DirectContent {
    pub(super) fn new(session: Session, file: File, at: u64, length: u64) -> Self {
        let file: Slot = Arc::new(Mutex::new(Ok(Arc::new(file))));
        let taken = Arc::new(AtomicU64::new(0));
        let mut watch = JoinSet::new();
        watch.spawn(watched(Arc::clone(&file), Arc::clone(&taken), session.input, session.parts));
        Self { file, at, left: length, taken, reading: None, over: false, _watch: watch }
    }

    /// Begins to read the next block, if there is one.
    fn read_on(&mut self) -> Result<(), FilesError> {
        if self.left > 0 && self.reading.is_none() {
            let file = match &*self.file.lock() {
                Ok(file) => Arc::clone(file),
                Err(FilesError::File(problem, text)) => return Err(FilesError::File(*problem, text.clone())),
                Err(_) => return Err(FilesError::Interrupted),
            };
            let (at, wanted) = (self.at, usize::try_from(self.left).unwrap_or(usize::MAX).min(BLOCK_BYTES));
            self.reading = Some(spawn_blocking(move || read_block(&file, at, wanted)));
        }
        Ok(())
    }

    fn poll_block(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, FilesError>> {
        self.read_on()?;
        let Some(reading) = &mut self.reading else { return Poll::Ready(Ok(Bytes::new())) };
        let block = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let block = block.map_err(io::Error::other).flatten().map_err(|error| failed(&error))?;
        let bytes = u64::try_from(block.len()).unwrap_or(u64::MAX);
        if bytes == 0 {
            let text = "the file became shorter while it was read".to_owned();
            return Poll::Ready(Err(FilesError::File(FileProblem::Failed, text)));
        }
        (self.at, self.left) = (self.at.saturating_add(bytes), self.left.saturating_sub(bytes));
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        // While this one is on its way.
        self.read_on()?;
        Poll::Ready(Ok(block))
    }
}

impl Stream for DirectContent {
    type Item = Result<Bytes, FilesError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over || (self.left == 0 && self.reading.is_none()) {
            return Poll::Ready(None);
        }
        let block = ready!(self.poll_block(context));
        self.over = block.is_err();
        Poll::Ready(Some(block))
    }
}

fn read_block(file: &File, at: u64, wanted: usize) -> io::Result<Bytes> {
    let mut block = Vec::with_capacity(wanted);
    loop {
        match pread(file, spare_capacity(&mut block), at) {
            Err(Errno::INTR) => {}
            other => {
                other?;
                block.truncate(wanted);
                return Ok(block.into());
            }
        }
    }
}

/// Until the call ends, which it does not by itself: then the file is closed. Tells the agent of what goes on meanwhile.
async fn watched(file: Slot, taken: Arc<AtomicU64>, input: mpsc::Sender<FilesPiece>, mut parts: Parts) {
    let mut told = 0;
    let mut period = tokio::time::interval(SIGN_PERIOD);
    let ended = loop {
        // Both only wait: a part that came in part stays.
        tokio::select! {
            part = parts.next() => break early(part),
            _ = period.tick() => {}
        }
        let now = taken.load(Ordering::Relaxed);
        if now != told
            && let Ok(data) = framed(FrameKind::Data, &[])
        {
            told = now;
            // One that waits already tells the same.
            let _waiting = input.try_send(files_piece(data));
        }
    };
    *file.lock() = Err(ended);
}
