//! The events of an exec, over connections that may break.
//!
//! ```text
//!   exec_events(after_seq = n)
//!        │
//!        ▼
//!   connect ──4xx──► error, end          an event is given on only when its number is the next one, so
//!     │  ▲                               whatever the connections do, the reader sees 1, 2, 3, … exit
//!     │  └──back-off── lost, closed, silent, a gap
//!     ▼
//!   next event ──exit──► end
//! ```
//!
//! The count of failures in a row starts anew with every event that is given on, so a command may run for days over
//! any number of restarts of the server, and a server that stays away is told after [`backoff::PATIENCE`].

mod backoff;
mod connection;
mod event;
mod logs;

use std::pin::Pin;

use atoll_types::{ExecId, SandboxId};
use futures_util::{Stream, stream};

pub use event::{ExecEvent, ExecEventKind};
pub use logs::LogLines;
pub(crate) use logs::log_lines;

use crate::{Client, ClientError};
pub(crate) use backoff::Backoff;
use connection::{Connection, Received};
pub(crate) use connection::{Socket, open_socket};

/// Events in the order of their numbers, without gaps; ends after the exit event or the first error. Dropping the
/// stream closes its connection and leaves the command alone. Waiting for the next item may be cancelled at any point
/// without losing an event.
pub type ExecEvents = Pin<Box<dyn Stream<Item = Result<ExecEvent, ClientError>> + Send>>;

struct State {
    client: Client,
    sandbox: SandboxId,
    exec: ExecId,
    last_seq: u64,
    connection: Option<Connection>,
    backoff: Backoff,
    ended: bool,
}

pub(crate) fn exec_events(client: Client, sandbox: SandboxId, exec: ExecId, after_seq: u64) -> ExecEvents {
    let state = State {
        client,
        sandbox,
        exec,
        last_seq: after_seq,
        connection: None,
        backoff: Backoff::default(),
        ended: false,
    };
    Box::pin(stream::unfold(state, |mut state| async move {
        if state.ended {
            return None;
        }
        let item = state.next().await;
        state.ended = match &item {
            Ok(event) => matches!(event.kind, ExecEventKind::Exit(_)),
            Err(_) => true,
        };
        Some((item, state))
    }))
}

impl State {
    async fn next(&mut self) -> Result<ExecEvent, ClientError> {
        loop {
            match self.step().await {
                Ok(event) => {
                    self.last_seq = event.seq;
                    self.backoff.reset();
                    return Ok(event);
                }
                Err(error) => {
                    self.connection = None;
                    self.backoff.wait(error).await?;
                }
            }
        }
    }

    /// The next event of the connection at hand, which is made when there is none.
    async fn step(&mut self) -> Result<ExecEvent, ClientError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                none.insert(Connection::open(&self.client, &self.sandbox, &self.exec, self.last_seq).await?)
            }
        };
        loop {
            match connection.receive(ExecEvent::parse).await? {
                Received::Message(event) if event.seq <= self.last_seq => {}
                Received::Message(event) if event.seq == self.last_seq + 1 => return Ok(event),
                Received::Message(event) => return Err(connection.gap(self.last_seq, event.seq)),
                Received::Done => return Err(connection.no_exit()),
                Received::Closed(error) => return Err(error),
            }
        }
    }
}
