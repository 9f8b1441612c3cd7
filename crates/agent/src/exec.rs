//! One command: its events, who reads them, and its standard input.

use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use atoll_agent_protocol::v1::{Event, ExecKind, event::Kind};
use rustix::process::Pid;
use tokio_stream::Stream;
use tonic::Status;

use crate::lock::lock;
use crate::ring::{Gone, Ring};
use crate::status;
use crate::stdin::Stdin;
use crate::terminal::pty::Pty;

/// Most streams that wait for the events of one command: two serves, and a few that have not noticed that their
/// client is gone.
const WAITERS_MAX: usize = 16;

/// A command that runs, or whose events are not all acknowledged.
#[derive(Debug)]
pub(crate) struct Exec {
    pub(crate) id: String,
    pub(crate) kind: ExecKind,
    /// Absent where no process could be made.
    pub(crate) pid: Option<Pid>,
    pub(crate) stdin: Stdin,
    /// Its terminal, while that is open.
    tty: Weak<Pty>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    /// Streams that have no event to tell, each by its ticket.
    waiters: Vec<(u64, Waker)>,
    next_ticket: u64,
}

impl Exec {
    pub(crate) fn new(id: String, kind: ExecKind, pid: Option<Pid>, stdin: Stdin) -> Self {
        Self {
            id,
            kind,
            pid,
            stdin,
            tty: Weak::new(),
            state: Mutex::new(State { ring: Ring::new(), waiters: Vec::new(), next_ticket: 0 }),
        }
    }

    /// In a terminal.
    pub(crate) fn with_tty(mut self, tty: Option<&Arc<Pty>>) -> Self {
        self.tty = tty.map(Arc::downgrade).unwrap_or_default();
        self
    }

    /// Its terminal; none when it has none, or has ended.
    pub(crate) fn tty(&self) -> Option<Arc<Pty>> {
        self.tty.upgrade()
    }

    /// Adds an event, wakes who waits for it, and returns what it costs, in bytes.
    pub(crate) fn record(&self, kind: Kind) -> usize {
        let (cost, waiters) = {
            let mut state = lock(&self.state);
            (state.ring.push(crate::clock::wall_ms(), kind), std::mem::take(&mut state.waiters))
        };
        waiters.into_iter().for_each(|(_, waker)| waker.wake());
        cost
    }

    /// Looks at the ring.
    pub(crate) fn with_ring<T>(&self, look: impl FnOnce(&mut Ring) -> T) -> T {
        look(&mut lock(&self.state).ring)
    }

    /// Whether its exit has not happened yet.
    pub(crate) fn running(&self) -> bool {
        self.with_ring(|ring| !ring.ended())
    }
}

/// The events of a command from a number on, until its exit. Dropping it stops nothing.
#[derive(Debug)]
pub(crate) struct Events {
    exec: Arc<Exec>,
    ticket: u64,
    next: u64,
    over: bool,
}

impl Events {
    /// Fails when events after `after_seq` are gone already.
    pub(crate) fn after(exec: Arc<Exec>, after_seq: u64) -> Result<Self, Gone> {
        let next = after_seq.saturating_add(1);
        let (ticket, over) = {
            let mut state = lock(&exec.state);
            state.ring.get(next)?;
            state.next_ticket += 1;
            (state.next_ticket, state.ring.ended() && next > state.ring.last_seq())
        };
        Ok(Self { exec, ticket, next, over })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        lock(&self.exec.state).waiters.retain(|(ticket, _)| *ticket != self.ticket);
    }
}

impl Stream for Events {
    type Item = Result<Event, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let found = {
            let mut state = lock(&self.exec.state);
            match state.ring.get(self.next) {
                Ok(Some(event)) => Ok(event.clone()),
                Ok(None) => {
                    state.waiters.retain(|(ticket, _)| *ticket != self.ticket);
                    if state.waiters.len() == WAITERS_MAX {
                        return Poll::Ready(Some(Err(Status::resource_exhausted(
                            "too many streams of one exec",
                        ))));
                    }
                    state.waiters.push((self.ticket, context.waker().clone()));
                    return Poll::Pending;
                }
                Err(gone) => Err(status::gone(gone)),
            }
        };
        match &found {
            Ok(event) => {
                self.next += 1;
                self.over = matches!(event.kind, Some(Kind::Exit(_)));
            }
            Err(_) => self.over = true,
        }
        Poll::Ready(Some(found))
    }
}
