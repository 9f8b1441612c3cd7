//! The state, and who waits for it to change.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::state::{Side, State};

/// How far an attach is; of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Greeting,
    Ready,
    Closed,
}

/// What the driver, the link and its streams share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Something is to be sent.
    pub(crate) work: Notify,
    /// A stream waits to be accepted.
    pub(crate) opened: Notify,
    pub(crate) phase: watch::Sender<Phase>,
}

impl Shared {
    pub(crate) fn new(side: Side, nonce: Option<u64>) -> Self {
        Self {
            state: Mutex::new(State::new(side, nonce)),
            work: Notify::new(),
            opened: Notify::new(),
            phase: watch::Sender::new(Phase::Greeting),
        }
    }

    /// Held for a moment, never across an await. Nothing in there panics in the middle of a change.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attach is over.
    pub(crate) fn end_attach(&self) {
        self.state().end_attach();
    }

    /// The link is over.
    pub(crate) fn close(&self) {
        self.end_attach();
        self.phase.send_replace(Phase::Closed);
        self.opened.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.phase.borrow() == Phase::Closed
    }

    pub(crate) async fn until(&self, phases: &[Phase]) {
        let mut phase = self.phase.subscribe();
        // The sender is here: it cannot be gone.
        drop(phase.wait_for(|phase| phases.contains(phase)).await);
    }
}

pub(crate) fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the stream is over")
}
