//! Execs: commands run in a sandbox.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A command: a line for the sandbox's `/bin/sh -c`, or a program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a string (a line for /bin/sh -c) or a list of strings (a program and its arguments)"
)]
pub enum CommandBody {
    /// A shell line.
    Line(String),
    /// Program and arguments.
    Argv(Vec<String>),
}

/// How bytes are written in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As text; bytes that are not UTF-8 are replaced by U+FFFD in answers.
    #[default]
    Utf8,
    /// Standard base 64: exact bytes.
    Base64,
}

/// Body of `POST /sandboxes/:id/exec`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecBody {
    /// What to run.
    pub command: CommandBody,
    /// Answer at once with the id, instead of waiting for the end.
    #[serde(default, rename = "async", skip_serializing_if = "Option::is_none")]
    pub run_async: Option<bool>,
    /// Variables added to the sandbox's.
    #[serde(default, deserialize_with = "crate::unique::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where; absolute. The user's home when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// As whom; the sandbox's user when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Killed with its process group after so many seconds, 1 to 86,400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// Standard input, at most 1 MiB; then its end, unless `openStdin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// How `stdin` is written.
    #[serde(default)]
    pub stdin_encoding: Encoding,
    /// Keeps standard input open for `POST …/execs/:exec_id/stdin`.
    #[serde(default)]
    pub open_stdin: bool,
    /// Runs it in a terminal: all output is `stdout`, and the end of standard input is typed as Ctrl-D. `TERM` is
    /// `xterm-256color` unless `env` says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
    /// Columns of the terminal, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(default = 80)]
    pub cols: Option<u32>,
    /// Rows of the terminal, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(default = 24)]
    pub rows: Option<u32>,
}

/// An exec.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exec {
    /// Id; the `exec_id` of the stream.
    pub id: String,
    /// Where it runs.
    pub sandbox_id: String,
    /// `running`, `exited`, `timed_out`, `lost` or `failed`.
    pub status: String,
    /// What was asked.
    pub command: CommandBody,
    /// 128 + n after signal n, 127 for a program that was not found, 126 for one that cannot run; null while it runs.
    pub exit_code: Option<i32>,
    /// What it wrote; only where one exec is shown, and bounded: see `truncated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// What it wrote; only where one exec is shown, and bounded: see `truncated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// From its start to its end.
    pub duration_ms: Option<u64>,
    /// Whether `stdout` or `stderr` are not whole; the stream may have more.
    pub truncated: bool,
    /// Why it failed or was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub finished_at: Option<String>,
}

/// Kind of a stream event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The command runs; number 1.
    Start,
    /// Output.
    Output,
    /// The end; the last.
    Exit,
}

/// One message of `WS /sandboxes/:id/stream`. Its names are those of the Agent Sandbox document, in snake case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecEvent {
    /// Where.
    pub sandbox_id: String,
    /// Which exec.
    pub exec_id: String,
    /// From 1, without gaps.
    pub seq: u64,
    /// What.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// `stdout` or `stderr`, of output.
    pub stream: Option<String>,
    /// Output, cut at character boundaries; base 64 with `?encoding=base64`.
    pub data: Option<String>,
    /// Of the exit; null when the exec was lost.
    pub exit_code: Option<i32>,
    /// RFC 3339.
    pub time: String,
}

/// Body of `POST …/execs/:exec_id/stdin`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StdinBody {
    /// What to write.
    #[serde(default)]
    pub data: String,
    /// How `data` is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Number of the first byte of `data` (after decoding), counted from 0 behind the exec's own `stdin`. Bytes that were
    /// taken already are skipped, so a write whose answer was lost may be repeated; one that leaves a gap is refused
    /// with `stdin_offset`. Without it `data` goes behind whatever was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 0)]
    pub offset: Option<u64>,
    /// Closes it afterwards.
    #[serde(default)]
    pub eof: bool,
}

/// Body of `POST …/execs/:exec_id/resize`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecResizeBody {
    /// Columns, 1 to 1000.
    #[schema(example = 120)]
    pub cols: u32,
    /// Rows, 1 to 1000.
    #[schema(example = 40)]
    pub rows: u32,
}

/// Body of `POST …/execs/:exec_id/signal`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignalBody {
    /// `TERM`, `SIGTERM` or `15`.
    #[schema(example = "TERM")]
    pub signal: String,
}
