//! Standard input of a command: what came with the request, then what each call brings, in order, then its end.
//!
//! What calls bring is counted as the pipe takes it. So a call that was cut off, of which nobody knows how much was taken,
//! may be made again with the number of its first byte.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::net::unix::pipe::Sender;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};

use crate::terminal::pty::Pty;

/// Why input was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The command reads no more, or its input was closed.
    Closed,
    /// It is not the next: the byte of this number is.
    NotNext(u64),
}

/// A piece as a call brings it.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Number of its first byte; none: behind whatever was taken.
    pub(crate) offset: Option<u64>,
    pub(crate) data: Bytes,
    pub(crate) eof: bool,
}

/// Where the input goes.
#[derive(Debug)]
enum Target {
    Pipe(Sender),
    Terminal(Arc<Pty>),
}

impl Target {
    fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.try_write(data),
            Self::Terminal(pty) => pty.write(data),
        }
    }

    async fn writable(&self) {
        match self {
            Self::Pipe(pipe) => drop(pipe.writable().await),
            Self::Terminal(pty) => pty.writable().await,
        }
    }

    /// What is written for the end of the input: a pipe is closed instead.
    fn end(&self) -> Bytes {
        match self {
            Self::Pipe(_) => Bytes::new(),
            Self::Terminal(pty) => pty.end_of_file().map_or_else(|_| Bytes::new(), |c| vec![c].into()),
        }
    }
}

/// Where the input stands.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The writing end; closed when there is none.
    pipe: Option<Target>,
    /// Bytes that the pipe has taken of what calls brought.
    taken: u64,
    /// Its end was taken.
    ended: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Stdin {
    progress: Arc<Mutex<Progress>>,
    gone: Arc<(AtomicBool, Notify)>,
}

/// The right to write, given in the order of asking.
type Turn = OwnedMutexGuard<Progress>;

impl Progress {
    /// Drops from a piece what was taken before; false when all of it was, and its end.
    fn skip_taken(&self, piece: &mut Piece) -> Result<bool, Refused> {
        let Some(offset) = piece.offset else { return Ok(true) };
        let skipped = self.taken.checked_sub(offset).ok_or(Refused::NotNext(self.taken))?;
        let length = u64::try_from(piece.data.len()).unwrap_or(u64::MAX);
        if skipped > length && piece.eof {
            // More was taken than there is, says the piece: somebody else writes.
            return Err(Refused::NotNext(self.taken));
        }
        drop(piece.data.split_to(usize::try_from(skipped.min(length)).unwrap_or(usize::MAX)));
        let known = piece.data.is_empty() && (self.ended || !piece.eof);
        Ok(!known)
    }
}

impl Stdin {
    /// Over the agent's end of a pipe, which must not block.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            progress: Arc::new(Mutex::new(Progress {
                pipe: Some(Target::Pipe(Sender::from_owned_fd_unchecked(fd)?)),
                ..Progress::default()
            })),
            gone: Arc::default(),
        })
    }

    /// Typed into a terminal.
    pub(crate) fn typed(pty: &Arc<Pty>) -> Self {
        let pipe = Some(Target::Terminal(Arc::clone(pty)));
        Self {
            progress: Arc::new(Mutex::new(Progress { pipe, ..Progress::default() })),
            gone: Arc::default(),
        }
    }

    /// Takes the first turn, before anybody else can; nothing when it is taken.
    pub(crate) fn first_turn(&self) -> Option<Turn> {
        Arc::clone(&self.progress).try_lock_owned().ok()
    }

    /// Writes what of a piece was not taken before, waiting while the pipe is full, then closes it when that was all.
    ///
    /// # Cancel safety
    /// A part may have been written. It is counted: the same piece, with its offset, goes on behind it.
    pub(crate) async fn write(&self, mut piece: Piece) -> Result<(), Refused> {
        let mut turn = Arc::clone(&self.progress).lock_owned().await;
        if !turn.skip_taken(&mut piece)? {
            return Ok(());
        }
        self.write_counted(&mut turn, piece.data, piece.eof).await
    }

    /// Writes what came with the request, which is not counted.
    pub(crate) async fn write_first(&self, mut turn: Turn, data: Bytes, eof: bool) {
        // A command need not read its input.
        let _closed = self.write_counted(&mut turn, data, eof).await;
        turn.taken = 0;
    }

    async fn write_counted(&self, turn: &mut Turn, data: Bytes, eof: bool) -> Result<(), Refused> {
        let mut written = self.write_all(turn, data).await;
        if let Some(end) = turn.pipe.as_ref().filter(|_| eof && written.is_ok()).map(Target::end) {
            let before = turn.taken;
            written = self.write_all(turn, end).await;
            // It is none of the caller's bytes.
            turn.taken = before;
        }
        if eof || written.is_err() {
            turn.pipe = None;
            turn.ended = written.is_ok();
        }
        written
    }

    async fn write_all(&self, progress: &mut Progress, mut data: Bytes) -> Result<(), Refused> {
        let Progress { pipe, taken, .. } = progress;
        let pipe = pipe.as_ref().ok_or(Refused::Closed)?;
        loop {
            let (flag, notify) = &*self.gone;
            let gone = notify.notified();
            tokio::pin!(gone);
            gone.as_mut().enable();
            if flag.load(Ordering::Relaxed) {
                return Err(Refused::Closed);
            }
            if data.is_empty() {
                return Ok(());
            }
            match pipe.try_write(&data) {
                Ok(n) => {
                    drop(data.split_to(n));
                    *taken += u64::try_from(n).unwrap_or_default();
                }
                // Both arms only wait.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::select! {
                    () = pipe.writable() => {}
                    () = &mut gone => {}
                },
                Err(_) => return Err(Refused::Closed),
            }
        }
    }

    /// The command has ended: closes the pipe, and whoever waits to write gives up.
    pub(crate) fn close(&self) {
        self.gone.0.store(true, Ordering::Relaxed);
        self.gone.1.notify_waiters();
        if let Ok(mut progress) = self.progress.try_lock() {
            progress.pipe = None;
        }
    }
}
