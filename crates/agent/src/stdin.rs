//! Standard input of a command: what came with the request, then what each call brings, in order, then its end.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::net::unix::pipe::Sender;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};

/// The command reads no more, or its input was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// The writing end, closed when nothing is in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stdin {
    pipe: Arc<Mutex<Option<Sender>>>,
    gone: Arc<(AtomicBool, Notify)>,
}

/// The right to write, given in the order of asking.
type Turn = OwnedMutexGuard<Option<Sender>>;

impl Stdin {
    /// Over the agent's end of a pipe, which must not block.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: Arc::new(Mutex::new(Some(Sender::from_owned_fd_unchecked(fd)?))),
            gone: Arc::default(),
        })
    }

    /// Takes the first turn, before anybody else can; nothing when it is taken.
    pub(crate) fn first_turn(&self) -> Option<Turn> {
        Arc::clone(&self.pipe).try_lock_owned().ok()
    }

    /// Writes all of `data`, waiting while the pipe is full, then closes it when that was all.
    ///
    /// # Cancel safety
    /// None: a part may have been written.
    pub(crate) async fn write(&self, data: Bytes, eof: bool) -> Result<(), Closed> {
        let turn = Arc::clone(&self.pipe).lock_owned().await;
        self.write_in_turn(turn, data, eof).await
    }

    pub(crate) async fn write_in_turn(
        &self,
        mut turn: Turn,
        mut data: Bytes,
        eof: bool,
    ) -> Result<(), Closed> {
        let written = self.write_all(turn.as_ref().ok_or(Closed)?, &mut data).await;
        if eof || written.is_err() {
            *turn = None;
        }
        written
    }

    async fn write_all(&self, pipe: &Sender, data: &mut Bytes) -> Result<(), Closed> {
        loop {
            let (flag, notify) = &*self.gone;
            let gone = notify.notified();
            tokio::pin!(gone);
            gone.as_mut().enable();
            if flag.load(Ordering::Relaxed) {
                return Err(Closed);
            }
            if data.is_empty() {
                return Ok(());
            }
            match pipe.try_write(data) {
                Ok(n) => drop(data.split_to(n)),
                // Both arms only wait.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::select! {
                    _ = pipe.writable() => {}
                    () = &mut gone => {}
                },
                Err(_) => return Err(Closed),
            }
        }
    }

    /// The command has ended: closes the pipe, and whoever waits to write gives up.
    pub(crate) fn close(&self) {
        self.gone.0.store(true, Ordering::Relaxed);
        self.gone.1.notify_waiters();
        if let Ok(mut pipe) = self.pipe.try_lock() {
            *pipe = None;
        }
    }
}
