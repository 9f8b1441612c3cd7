//! Health checks of sandboxes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::CommandBody;

/// A health check, as OCI's HEALTHCHECK: a command that runs in the sandbox, as its user, while it is up and not paused. It is no
/// activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// Ends with 0 when all is well: a line for the shell, or a program with its arguments; at most 4 KiB. An empty list: no check,
    /// whatever the environment says.
    pub command: CommandBody,
    /// Seconds from the end of one check to the next, 1 to 3600; until it is first healthy, one second.
    #[serde(default = "interval")]
    #[schema(default = 30, minimum = 1, maximum = 3600)]
    pub interval_seconds: u32,
    /// Seconds after which a check has failed, and is killed, 1 to 3600.
    #[serde(default = "timeout")]
    #[schema(default = 30, minimum = 1, maximum = 3600)]
    pub timeout_seconds: u32,
    /// Checks that fail in a row before it is unhealthy, 1 to 100; until it is first healthy, one in an interval counts.
    #[serde(default = "retries")]
    #[schema(default = 3, minimum = 1, maximum = 100)]
    pub retries: u32,
    /// Seconds from its start in which a check that fails does not count, 0 to 3600.
    #[serde(default)]
    #[schema(default = 0, maximum = 3600)]
    pub start_period_seconds: u32,
}

const fn interval() -> u32 {
    30
}

const fn timeout() -> u32 {
    30
}

const fn retries() -> u32 {
    3
}

/// What the last check told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthResult {
    /// RFC 3339: when it ended.
    pub checked_at: String,
    /// Checks that failed in a row, and counted.
    pub failing_streak: u32,
    /// Its exit code; null where it did not end by itself, or could not be run.
    pub exit_code: Option<i32>,
    /// The end of what it wrote, or why it could not be run; at most 1 KiB.
    pub output: String,
}
