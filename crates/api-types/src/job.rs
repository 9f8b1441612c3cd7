//! Background jobs: commands that start again by themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::CommandBody;

/// Body of `POST /sandboxes/:id/background`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobBody {
    /// What to run.
    pub command: CommandBody,
    /// Name for people, 1 to 63 characters; not unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it starts again after it ended: `never`, `on-failure` (an exit code other than 0), or `always`, which also starts it
    /// whenever its sandbox comes up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "on-failure", default = "never")]
    pub restart: Option<String>,
    /// Most restarts in a row, 0 to 10,000; none: no bound. A run of ten seconds or more begins a new row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Wait before the first restart in a row, in milliseconds, 100 to 3,600,000; each wait after it is twice the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(default = 1000)]
    pub backoff_ms: Option<u32>,
    /// Longest wait, in milliseconds, 1,000 to 3,600,000 and not below `backoffMs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(default = 60_000)]
    pub backoff_max_ms: Option<u32>,
    /// Variables added to the sandbox's.
    #[serde(default, deserialize_with = "crate::unique::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where; absolute. The user's home when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// As whom; the sandbox's user when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Each run is killed with its process group after so many seconds, 1 to 86,400, and has failed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
}

/// A background job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Id.
    pub id: String,
    /// Where it runs.
    pub sandbox_id: String,
    /// Name for people.
    pub name: Option<String>,
    /// `running`, `backoff` (waits before it starts again), `waiting` (for its sandbox to come up), `exited`, `failed`, `stopped`
    /// (ended with its sandbox) or `stopping`.
    pub status: String,
    /// What was asked.
    pub command: CommandBody,
    /// `never`, `on-failure` or `always`.
    pub restart: String,
    /// Most restarts in a row; null: no bound.
    pub max_retries: Option<u32>,
    /// Wait before the first restart in a row.
    pub backoff_ms: u32,
    /// Longest wait.
    pub backoff_max_ms: u32,
    /// Runs that were begun.
    pub starts: u64,
    /// Restarts in a row, none of whose runs lasted ten seconds.
    pub retries: u32,
    /// Number of the run's process inside; null unless `running`, and just after a start.
    pub pid: Option<u32>,
    /// The last run: an exec, to stream, signal and look at as any other.
    pub exec_id: String,
    /// The last runs, at most ten, newest last. Each is an exec, held for 24 hours after its end.
    pub exec_ids: Vec<String>,
    /// How the last run that ended did; null before.
    pub last_exit: Option<JobExit>,
    /// RFC 3339; null unless `backoff`.
    pub next_start: Option<String>,
    /// RFC 3339.
    pub created_at: String,
}

/// How a run of a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobExit {
    /// Which run.
    pub exec_id: String,
    /// `exited`, `timed_out`, `lost` or `failed`.
    pub status: String,
    /// 128 + n after signal n, 127 for a program that was not found, 126 for one that cannot run; null when it was lost or could
    /// not be started.
    pub exit_code: Option<i32>,
    /// Why it failed or was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// RFC 3339.
    pub finished_at: String,
}
