//! Background jobs: commands that are started again by themselves.

use serde::{Deserialize, Serialize};

use crate::input::{InputError, text_input};
use crate::{ExecId, ExecSpec, ExecStatus, Timestamp, bounds};

text_input!(
    /// Name that a person gives to a background job. Not unique.
    JobName, "name", "1 to 63 printable characters, without a space at either end",
    |text| {
        (1..=bounds::NAME_CHARS_MAX).contains(&text.chars().count())
            && text.trim() == text
            && !text.chars().any(char::is_control)
    }
);

/// When a job whose run has ended starts again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Not at all.
    #[default]
    Never,
    /// When it failed: an exit code other than 0, a time limit, a start that was refused, a loss.
    OnFailure,
    /// However it ended, and whenever its sandbox comes up again.
    Always,
}

impl RestartPolicy {
    /// Every policy, for requests.
    pub const ALL: [Self; 3] = [Self::Never, Self::OnFailure, Self::Always];

    /// The word that the API has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        }
    }
}

/// Waits between the runs of a job: each is twice the one before, up to a bound (capped exponential backoff).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// The first wait, in milliseconds.
    pub first_ms: u32,
    /// The longest, in milliseconds; not below the first.
    pub max_ms: u32,
}

impl Default for Backoff {
    /// A second, and up to a minute.
    fn default() -> Self {
        Self { first_ms: 1_000, max_ms: 60_000 }
    }
}

/// Everything that is asked of a job; never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// Name for people.
    pub name: Option<JobName>,
    /// What each run runs.
    pub exec: ExecSpec,
    /// When it starts again.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// Most restarts in a row; none: no bound.
    pub max_retries: Option<u32>,
    /// Waits between runs.
    #[serde(default)]
    pub backoff: Backoff,
}

/// What was asked of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobDesired {
    /// To run, as its policy says.
    Running,
    /// To be gone.
    Deleted,
}

/// How a run of a job ended; it outlives the record of that run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobEnd {
    /// Which run.
    pub exec: ExecId,
    /// One of the ended states.
    pub status: ExecStatus,
    /// The exit code, unless it was lost or never started.
    pub exit_code: Option<i32>,
    /// When.
    pub finished_at: Timestamp,
    /// Why it failed or was lost, for people.
    pub failure: Option<String>,
}

/// Where a job stands, as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobPhase {
    /// Its last run was begun, and its end has not been looked at.
    Running,
    /// Its last run ended, and the next one begins at this moment.
    Waiting {
        /// When.
        next_start: Timestamp,
    },
    /// Its last run succeeded, and no other follows.
    Exited,
    /// Its last run failed, and no other follows.
    Failed,
    /// Its last run ended with its sandbox, and no other follows.
    Stopped,
}

/// The state that people are shown; computed, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// A run is under way.
    Running,
    /// It waits before it starts again.
    Backoff,
    /// It starts again when its sandbox comes up.
    Waiting,
    /// It succeeded.
    Exited,
    /// It failed.
    Failed,
    /// It ended with its sandbox.
    Stopped,
    /// It is being ended, and then gone.
    Stopping,
}

impl JobStatus {
    /// The word that the API shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Waiting => "waiting",
            Self::Exited => "exited",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Stopping => "stopping",
        }
    }
}
