//! Execs: commands run in a sandbox, and the numbered events that tell what they did.

use serde::{Deserialize, Serialize};

use crate::{Command, EnvVars, GuestPath, GuestUser, TerminalSize, Timestamp};

/// Everything needed to run one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecSpec {
    /// What to run.
    pub command: Command,
    /// Variables added to those of the sandbox.
    #[serde(default)]
    pub env: EnvVars,
    /// Where to run it; the user's home when absent.
    pub cwd: Option<GuestPath>,
    /// As whom; the sandbox's user when absent.
    pub user: Option<GuestUser>,
    /// Killed with its whole process group after this many seconds.
    pub timeout_seconds: Option<u32>,
    /// Whether standard input stays open for the stdin endpoint; else it is what came with the request, then its end.
    #[serde(default)]
    pub stdin_open: bool,
    /// Size of the terminal that it begins in; in pipes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<TerminalSize>,
}

/// Why the command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecKind {
    /// Somebody asked for it.
    Exec,
    /// It is the sandbox's main process: the image's command, whose output is the sandbox's log.
    Main,
}

/// Where an exec stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecStatus {
    /// Accepted, and perhaps already running.
    Running,
    /// Ended by itself or by a signal: there is an exit code.
    Exited,
    /// Killed because its time was over.
    TimedOut,
    /// Its agent died with it: there is no exit code; what was logged stays readable.
    Lost,
    /// It could not be started; the message says why.
    Failed,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecExit {
    /// The exit code; 128 + n after signal n, 127 for a program that was not found, 126 for one that cannot run.
    pub code: i32,
    /// Whether the time limit ended it.
    pub timed_out: bool,
}

/// A stream of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// One event of an exec. `seq` is given once, by the agent: it starts at 1 and has no gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecEvent {
    /// Number of the event.
    pub seq: u64,
    /// When the agent saw it.
    pub time: Timestamp,
    /// What happened.
    pub kind: ExecEventKind,
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEventKind {
    /// The command runs; always number 1.
    Start,
    /// Output, cut at UTF-8 character boundaries where it is UTF-8; at most 64 KiB.
    Output(OutputStream, Vec<u8>),
    /// It ended; always the last.
    Exit(ExecExit),
}

/// Signals that may be sent to an exec's process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "signal(7) says what each means")]
pub enum Signal {
    Hup = 1,
    Int = 2,
    Quit = 3,
    Kill = 9,
    Usr1 = 10,
    Usr2 = 12,
    Term = 15,
    Cont = 18,
    Stop = 19,
    Winch = 28,
}

impl Signal {
    /// Its number on Linux.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// From `TERM`, `SIGTERM` or `15`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const ALL: [(&str, Signal); 10] = [
            ("HUP", Signal::Hup),
            ("INT", Signal::Int),
            ("QUIT", Signal::Quit),
            ("KILL", Signal::Kill),
            ("USR1", Signal::Usr1),
            ("USR2", Signal::Usr2),
            ("TERM", Signal::Term),
            ("CONT", Signal::Cont),
            ("STOP", Signal::Stop),
            ("WINCH", Signal::Winch),
        ];
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        ALL.into_iter().find(|(n, s)| *n == name || s.number().to_string() == name).map(|(_, s)| s)
    }
}
