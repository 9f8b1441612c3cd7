//! The way to the agent of a sandbox. What it answers is untrusted: the adapter bounds and checks every message.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use atoll_types::{
    ExecEvent, ExecExit, ExecId, ExecKind, GuestPath, GuestUser, SandboxId, Signal, TerminalSize,
};
use bytes::Bytes;
use tokio_stream::Stream;

/// A command to start.
#[derive(Debug, Clone)]
pub struct StartExec {
    /// Id, chosen before.
    pub exec: ExecId,
    /// Why it runs.
    pub kind: ExecKind,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Where; the user's home when absent.
    pub cwd: Option<GuestPath>,
    /// As whom.
    pub user: GuestUser,
    /// Time limit.
    pub timeout: Option<Duration>,
    /// Standard input to begin with.
    pub stdin: Bytes,
    /// Whether it stays open after that.
    pub stdin_open: bool,
    /// A terminal of this size in the place of the three pipes: all output is of standard output, and the end of standard
    /// input is typed as the terminal's end-of-file character.
    pub tty: Option<TerminalSize>,
}

/// A piece of standard input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StdinPiece {
    /// Number of its first byte, counted from 0 behind [`StartExec::stdin`]. What was taken already is skipped, so that a
    /// piece may be sent again whose fate is not known. None: it goes behind whatever was taken.
    pub offset: Option<u64>,
    /// Its bytes.
    pub data: Bytes,
    /// Whether nothing comes after it.
    pub eof: bool,
}

/// Numbered events without gaps, the exit last. The adapter has checked the numbers.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<ExecEvent, AgentError>> + Send>>;

/// A command that the agent still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldExec {
    /// Id.
    pub exec: ExecId,
    /// Why it runs.
    pub kind: ExecKind,
    /// Whether it has not ended.
    pub running: bool,
    /// First event still held.
    pub first_seq: u64,
    /// Last event so far.
    pub last_seq: u64,
    /// Number of its first process inside, where it runs and the agent tells.
    pub pid: Option<u32>,
}

/// What goes on in a sandbox. Told by the agent: good for idle detection, never for quota or audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Since anything last happened.
    pub idle: Duration,
    /// Commands that run.
    pub execs_running: u32,
    /// TCP ports that something listens on.
    pub ports: Vec<u16>,
}

/// What each event of a command costs its agent until it is acknowledged, beside its data, in bytes. The agent holds a bounded
/// sum of both, and the command waits beyond it: who acknowledges has to count the same.
pub const EXEC_EVENT_BYTES: usize = 128;

/// How a command of a health check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeEnd {
    /// Its exit.
    pub exit: ExecExit,
    /// The end of what it wrote to both streams, at most [`ProbeEnd::OUTPUT_BYTES_MAX`].
    pub output: Vec<u8>,
}

impl ProbeEnd {
    /// Most output that is told, in bytes.
    pub const OUTPUT_BYTES_MAX: usize = 1 << 10;
}

/// Why a call to an agent failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// It cannot be reached, or the connection broke; the command, if any, may go on.
    #[error("the agent does not answer: {0}")]
    Unreachable(String),
    /// It holds no such command.
    #[error("the agent holds no such command")]
    NotFound,
    /// The events asked for were acknowledged before.
    #[error("events up to {first_seq} are gone")]
    EventsGone {
        /// First that is still held.
        first_seq: u64,
    },
    /// The command has no open standard input.
    #[error("standard input is closed")]
    StdinClosed,
    /// A piece of standard input that is not the next one.
    #[error("standard input has taken {expected} bytes: the next one has this offset")]
    StdinOffset {
        /// Offset of the byte that comes next.
        expected: u64,
    },
    /// It holds as many commands as it can.
    #[error("too many commands run at once")]
    TooMany,
    /// It could not start the command: the message is the agent's, bounded.
    #[error("{0}")]
    Refused(String),
    /// It broke the protocol; nothing of it can be believed.
    #[error("the agent broke the protocol: {0}")]
    Protocol(String),
}

/// The way to the agents.
#[async_trait]
pub trait AgentLink: std::fmt::Debug + Send + Sync {
    /// Starts a command and streams its events from number 1. With an id that the agent knows it only streams.
    async fn exec(&self, sandbox: &SandboxId, start: StartExec) -> Result<EventStream, AgentError>;
    /// Streams the events after `after_seq`.
    async fn attach(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        after_seq: u64,
    ) -> Result<EventStream, AgentError>;
    /// Events up to each number are safe.
    async fn ack(&self, sandbox: &SandboxId, acked: &[(ExecId, u64)]) -> Result<(), AgentError>;
    /// Writes to standard input; waits while the pipe is full. A piece that is known to have been taken whole, and the end
    /// with it, is taken again without effect.
    async fn stdin(&self, sandbox: &SandboxId, exec: &ExecId, piece: StdinPiece) -> Result<(), AgentError>;
    /// Sends a signal to the process group.
    async fn signal(&self, sandbox: &SandboxId, exec: &ExecId, signal: Signal) -> Result<(), AgentError>;
    /// Changes the size of a command's terminal; `StdinClosed` where it has none.
    async fn exec_resize(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        size: TerminalSize,
    ) -> Result<(), AgentError>;
    /// Asks a command to end: TERM to its process group, and KILL to what is left of that when the command ends. An agent of
    /// an older release only sends TERM.
    async fn terminate(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<(), AgentError>;
    /// The commands that the agent still holds.
    async fn list(&self, sandbox: &SandboxId) -> Result<Vec<HeldExec>, AgentError>;
    /// What goes on.
    async fn activity(&self, sandbox: &SandboxId) -> Result<Activity, AgentError>;
    /// Runs a command of a health check, which has a time limit, to its end. It is no activity, and nothing of it is held. Dropping
    /// this stops nothing.
    async fn probe(&self, sandbox: &SandboxId, start: StartExec) -> Result<ProbeEnd, AgentError>;
    /// Opens the way to the agent, so that the next call need not wait for that.
    async fn greet(&self, sandbox: &SandboxId) -> Result<(), AgentError>;
    /// Closes what is open to an agent that is gone.
    fn forget(&self, sandbox: &SandboxId);
}
