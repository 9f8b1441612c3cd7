//! What users may have, what they have used, and what a sandbox used over time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One quota, and how much of it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaUse {
    /// Now.
    #[schema(example = 3)]
    pub used: f64,
    /// At most.
    #[schema(example = 20)]
    pub quota: f64,
    /// In percent.
    #[schema(example = 15)]
    pub percent: f64,
    /// Whether it is nearly used up: 80 percent or more.
    pub warning: bool,
}

/// Answer to `GET /usage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Sandboxes in any state.
    pub sandboxes: QuotaUse,
    /// Cores of those that are up.
    pub cpu: QuotaUse,
    /// Bytes of memory of those that are up.
    pub memory_bytes: QuotaUse,
    /// Bytes of disk of all, by what they may take.
    pub storage_bytes: QuotaUse,
    /// Bytes that they sent in this month of UTC.
    pub egress_bytes: QuotaUse,
    /// Commands that were started in the last hour.
    pub execs_per_hour: QuotaUse,
    /// Names of the quotas that are nearly used up.
    pub warnings: Vec<String>,
}

/// What a user is given in place of the settings. Body of `PUT /admin/quotas/:user`; what is absent or null is as the settings say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaBody {
    /// Sandboxes in any state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandboxes: Option<u64>,
    /// Cores of those that are up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// MiB of memory of those that are up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// MiB of disk of all, by what they may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<u64>,
    /// MiB that they send in a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<u64>,
    /// Commands that are started in an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execs_per_hour: Option<u64>,
}

/// What a user may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserQuota {
    /// Who.
    pub user_id: String,
    /// In all.
    pub quota: QuotaBody,
    /// What of it was given to this user alone.
    pub own: QuotaBody,
}

/// What a sandbox used in one while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsPoint {
    /// At its end, RFC 3339.
    pub time: String,
    /// CPU in percent of one core.
    pub cpu_percent: f64,
    /// The part of it that the kernel ran for the sandbox.
    pub system_percent: f64,
    /// Bytes of memory at its end; in a minute the most.
    pub memory_bytes: u64,
    /// Processes at its end; in a minute the most.
    pub pids: u64,
    /// Bytes received meanwhile.
    pub rx_bytes: u64,
    /// Bytes sent meanwhile.
    pub tx_bytes: u64,
    /// Bytes read from storage meanwhile.
    pub read_bytes: u64,
    /// Bytes written to storage meanwhile.
    pub write_bytes: u64,
}

/// Answer to `GET /sandboxes/:id/metrics/history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsHistory {
    /// Seconds from one point to the next: 10 or 60.
    pub interval_seconds: u32,
    /// Oldest first; numbers have seven digits. A gap is a time in which the sandbox did not run, or nobody could look.
    pub points: Vec<MetricsPoint>,
}
