//! Output of execs on disk: what clients read, and what the agent's ring is acknowledged against.

use async_trait::async_trait;
use atoll_types::{ExecEvent, ExecId, ExecKind, SandboxId};

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// Output events in the order of their numbers, without gaps between them.
    pub events: Vec<ExecEvent>,
    /// First output event that is still held, if any was ever dropped.
    pub first_held: Option<u64>,
}

/// Why a log could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("the log of an exec could not be {action}")]
pub struct ExecLogError {
    /// `written`, `read` or `removed`.
    pub action: &'static str,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// Writes the output events of one exec. Only output is kept here: the start and the exit are in the store's record.
#[async_trait]
pub trait ExecLogWriter: std::fmt::Debug + Send {
    /// Number of the last event on disk; 0: none. A writer that is opened again after a crash goes on behind it.
    fn last_seq(&self) -> u64;
    /// Appends; once it returns, the events survive the death of any process. Makes no file before the first event.
    /// Beyond the bound of the log the oldest are dropped.
    async fn append(&mut self, events: &[ExecEvent]) -> Result<(), ExecLogError>;
    /// Whether anything was dropped.
    fn truncated(&self) -> bool;
}

/// Reads the output events of one exec, while it is written or later.
#[async_trait]
pub trait ExecLogReader: std::fmt::Debug + Send {
    /// The next events, at most `max_bytes` of output but at least one event; empty at the end of what is written.
    async fn next(&mut self, max_bytes: usize) -> Result<LogPage, ExecLogError>;
}

/// All logs of a node.
#[async_trait]
pub trait ExecLogs: std::fmt::Debug + Send + Sync {
    /// For writing; finds the end, and cuts a record that a crash left half written. Logs of main processes have a bound of
    /// their own.
    async fn writer(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        kind: ExecKind,
    ) -> Result<Box<dyn ExecLogWriter>, ExecLogError>;
    /// For reading output events numbered greater than `after_seq`.
    async fn reader(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        after_seq: u64,
    ) -> Result<Box<dyn ExecLogReader>, ExecLogError>;
    /// Removes one exec's log; no error when there is none.
    async fn remove(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<(), ExecLogError>;
    /// Removes all logs of a sandbox.
    async fn remove_sandbox(&self, sandbox: &SandboxId) -> Result<(), ExecLogError>;
    /// Sandboxes that have logs, for the reconciler and `doctor`.
    async fn sandboxes(&self) -> Result<Vec<SandboxId>, ExecLogError>;
}
