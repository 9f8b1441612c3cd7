//! What a client is shown.

use atoll_api_types::TerminalControl;
use atoll_types::SandboxId;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Bytes;

use super::TerminalOptions;
use super::connection::{Came, Connection, Seen};
use super::keyboard::Typed;
use crate::stream::Backoff;
use crate::{Client, ClientError};

/// What happened at a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalEvent {
    /// There is a connection: the first, or another one after [`TerminalEvent::Interrupted`].
    Attached {
        /// Whether the terminal was made for it.
        made: bool,
        /// How many bytes come first that are of the past.
        past: u64,
    },
    /// It shows this.
    Output(Bytes),
    /// Bytes were left out, since this client did not read.
    Gap,
    /// It has another size, in columns and rows.
    Resized(u32, u32),
    /// The connection is lost; another one is made.
    Interrupted,
    /// Its program has ended; nothing comes after it.
    Exit(i32),
}

/// The half that shows. Dropping it leaves the terminal as it is.
pub struct Screen {
    client: Client,
    sandbox: SandboxId,
    options: TerminalOptions,
    typed: mpsc::Receiver<Typed>,
    seen: Option<Seen>,
    connection: Option<Connection>,
    backoff: Backoff,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("sandbox", &self.sandbox).finish_non_exhaustive()
    }
}

impl Screen {
    pub(super) fn new(
        client: Client,
        sandbox: SandboxId,
        options: TerminalOptions,
        typed: mpsc::Receiver<Typed>,
    ) -> Self {
        let (seen, connection, backoff) = (None, None, Backoff::default());
        Self { client, sandbox, options, typed, seen, connection, backoff }
    }

    /// The next thing that happens; typing works while this is awaited. Not cancel safe: a piece of input may be sent in
    /// part.
    ///
    /// # Errors
    /// When the server says no, or stays away for two minutes.
    pub async fn next(&mut self) -> Result<TerminalEvent, ClientError> {
        loop {
            let result = match &mut self.connection {
                Some(connection) => connection.step(&mut self.typed, &mut self.options).await,
                None => match Connection::open(&self.client, &self.sandbox, &self.options, self.seen).await {
                    Ok(connection) => {
                        self.connection = Some(connection);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match result {
                Ok(came) => {
                    if let Some(event) = self.event(came) {
                        return Ok(event);
                    }
                }
                Err(error) => {
                    let was_connected = self.connection.take().is_some() && self.seen.is_some();
                    self.backoff.wait(error).await?;
                    if was_connected {
                        return Ok(TerminalEvent::Interrupted);
                    }
                }
            }
        }
    }

    fn event(&mut self, came: Came) -> Option<TerminalEvent> {
        match came {
            Came::Nothing => None,
            Came::Output(data) => {
                self.backoff.reset();
                if let Some(seen) = &mut self.seen {
                    seen.after = seen.after.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                }
                Some(TerminalEvent::Output(data))
            }
            Came::Control(control) => self.control(control),
        }
    }

    fn control(&mut self, control: TerminalControl) -> Option<TerminalEvent> {
        match control {
            TerminalControl::Attached { generation, offset, end, made, .. } => {
                self.backoff.reset();
                self.seen = Some(Seen { generation, after: offset });
                Some(TerminalEvent::Attached { made, past: end.saturating_sub(offset) })
            }
            TerminalControl::Gap { offset } => {
                if let Some(seen) = &mut self.seen {
                    seen.after = offset;
                }
                Some(TerminalEvent::Gap)
            }
            TerminalControl::Resized { cols, rows } => Some(TerminalEvent::Resized(cols, rows)),
            TerminalControl::Exit { exit_code } => Some(TerminalEvent::Exit(exit_code)),
            // Of public sessions only, which have no account's client.
            TerminalControl::Limited { .. } => None,
            // Told as an error by the connection.
            TerminalControl::Failed { .. } => None,
        }
    }
}
