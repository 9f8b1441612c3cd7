//! Health checks: a command that tells whether what a sandbox is for works.

use serde::{Deserialize, Serialize};

use crate::{Command, bounds};

/// A health check, as OCI's HEALTHCHECK. A sandbox that comes up is `starting`. It is `healthy` when the command ends with 0, and
/// `unhealthy` when it does not so often in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// What is run, as the sandbox's user; nothing: there is to be none, whatever is below.
    pub command: Option<Command>,
    /// From the end of one run to the next.
    pub interval_seconds: u32,
    /// One that takes longer has failed, and is killed.
    pub timeout_seconds: u32,
    /// Failures in a row that count.
    pub retries: u32,
    /// From its coming up: failures before it is first healthy do not count for so long.
    pub start_period_seconds: u32,
}

impl HealthCheck {
    /// Time between two runs where nothing says, in seconds, as Docker has it.
    pub const INTERVAL_SECONDS: u32 = 30;
    /// Longest run where nothing says, in seconds, as Docker has it.
    pub const TIMEOUT_SECONDS: u32 = 30;
    /// Failures in a row where nothing says, as Docker has it.
    pub const RETRIES: u32 = 3;
    /// None: a sandbox whose service starts slowly says so.
    pub const START_PERIOD_SECONDS: u32 = 0;

    /// Whether a command is within [`bounds::HEALTH_COMMAND_BYTES_MAX`].
    #[must_use]
    pub fn may_run(command: &Command) -> bool {
        let bytes: usize = command.to_argv().iter().map(|word| word.len() + 1).sum();
        bytes <= bounds::HEALTH_COMMAND_BYTES_MAX
    }
}

/// How a sandbox is, as its health check tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It has no health check, or is not up.
    None,
    /// It has come up, and nothing is known yet.
    Starting,
    /// Its last check passed, or not enough have failed since.
    Healthy,
    /// So many checks failed in a row.
    Unhealthy,
}

impl Health {
    /// The word that the API shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}
