//! The log of a sandbox: what its main process wrote.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// Number of the event that ended it; several lines may have the same.
    #[serde(default)]
    pub seq: u64,
    /// RFC 3339.
    pub time: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The line without its end.
    pub line: String,
}

/// Answer to `GET /sandboxes/:id/logs`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logs {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// Whether older lines were dropped or not asked for.
    pub truncated: bool,
}
