//! The way to the terminals of a sandbox, which live in its agent. What it answers is untrusted: the adapter bounds and
//! checks every message.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use atoll_types::{GuestPath, GuestUser, SandboxId, TerminalName, TerminalSize, Timestamp};
use bytes::Bytes;
use tokio_stream::Stream;

use crate::AgentError;

/// A terminal to make.
#[derive(Debug, Clone)]
pub struct OpenTerminal {
    /// Its name.
    pub name: TerminalName,
    /// Program and arguments; none: the user's login shell.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Where; the user's home when absent.
    pub cwd: Option<GuestPath>,
    /// As whom.
    pub user: GuestUser,
    /// Its size.
    pub size: TerminalSize,
    /// How long it outlives its last viewer; for ever when absent.
    pub linger: Option<Duration>,
}

/// One terminal among all that ever had its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalKey {
    /// Its name.
    pub name: TerminalName,
    /// Which of those of this name; larger for a later one. 0: whichever has the name.
    pub generation: u64,
}

impl TerminalKey {
    /// Whichever terminal has the name.
    #[must_use]
    pub const fn any(name: TerminalName) -> Self {
        Self { name, generation: 0 }
    }
}

/// What a viewer is told first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalAttached {
    /// Which of those of this name it is.
    pub generation: u64,
    /// Its size.
    pub size: TerminalSize,
    /// Number of the first byte that comes, counted from 0 at the terminal's start.
    pub offset: u64,
    /// Number of the first byte that had not been written yet: what comes before it is of the past.
    pub end: u64,
}

/// What a terminal shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalEvent {
    /// Its program wrote this. The offset is that of the first byte; it is larger than the one that was due where this
    /// viewer was passed over.
    Output {
        /// Number of the first byte.
        offset: u64,
        /// Not empty.
        data: Bytes,
    },
    /// It has another size.
    Resized(TerminalSize),
    /// Its program has ended with this code; nothing comes after it.
    Exit(i32),
}

/// What a terminal shows, until its program has ended. Dropping it stops nothing.
pub type TerminalStream = Pin<Box<dyn Stream<Item = Result<TerminalEvent, AgentError>> + Send>>;

/// A terminal that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTerminal {
    /// Which.
    pub key: TerminalKey,
    /// Its size.
    pub size: TerminalSize,
    /// How many look at it.
    pub viewers: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// How its program ended; none while it runs.
    pub exit_code: Option<i32>,
}

/// The way to the terminals. Errors: `NotFound` for a terminal that is not there, `TooMany` for one terminal or viewer
/// more than there may be, `StdinClosed` for input to a program that has ended.
#[async_trait]
pub trait TerminalLink: std::fmt::Debug + Send + Sync {
    /// Makes a terminal, or finds the one of this name whose program runs; and whether it was made.
    async fn open(&self, sandbox: &SandboxId, open: OpenTerminal) -> Result<(TerminalKey, bool), AgentError>;
    /// Shows a terminal from `offset` on, or all that is kept of it.
    async fn attach(
        &self,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        offset: Option<u64>,
    ) -> Result<(TerminalAttached, TerminalStream), AgentError>;
    /// Types into it; waits while its program does not read.
    async fn input(&self, sandbox: &SandboxId, terminal: &TerminalKey, data: Bytes)
    -> Result<(), AgentError>;
    /// Changes its size.
    async fn resize(
        &self,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        size: TerminalSize,
    ) -> Result<(), AgentError>;
    /// All of a sandbox, by name.
    async fn list(&self, sandbox: &SandboxId) -> Result<Vec<HeldTerminal>, AgentError>;
    /// Hangs it up; what still runs two seconds later is killed.
    async fn close(&self, sandbox: &SandboxId, terminal: &TerminalKey) -> Result<(), AgentError>;
}
