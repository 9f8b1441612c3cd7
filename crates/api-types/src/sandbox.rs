//! Sandboxes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CommandBody, HealthCheck, HealthResult};

/// GPUs of the host that a sandbox is given, which only the runtime `docker` can: `none`, `all`, a number from 1 to 64, or a list of ids
/// as `nvidia-smi -L` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "'none', 'all', a number, or a list of ids")]
pub enum Gpus {
    /// `none` or `all`.
    Word(String),
    /// So many, of the driver's choice.
    Count(u32),
    /// These.
    Devices(Vec<String>),
}

impl Default for Gpus {
    fn default() -> Self {
        Self::Word("none".to_owned())
    }
}

/// A port of a sandbox to publish on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishPort {
    /// TCP port inside, 1 to 65535, on any address or on loopback.
    #[schema(example = 80)]
    pub container: u32,
    /// Port of the host; absent or 0: any that is free. One that is taken, or below 1024, is replaced by one that is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 8080)]
    pub host: Option<u32>,
}

/// A port of a sandbox that is published on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedPort {
    /// Port inside.
    pub container: u16,
    /// Port of the host, open while the sandbox runs; of one that is down, the one that it has again where it is free. Absent
    /// while none could be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u16>,
    /// The port that was asked for, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_host: Option<u16>,
    /// Why it is another, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A sandbox.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sandbox {
    /// Id.
    pub id: String,
    /// Name.
    pub name: Option<String>,
    /// `creating`, `starting`, `running`, `paused`, `stopping`, `stopped`, `crashed`, `failed`, `deleting` or
    /// `unknown`.
    pub state: String,
    /// Why it is in this state, where there is more to say: `idle`, `expired`, `requested`, `host_restarted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Image as it was asked for.
    pub image: String,
    /// What isolates it.
    pub runtime: String,
    /// Cores.
    pub cpu: f64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Size of the writable layer in bytes.
    pub disk_bytes: u64,
    /// Processes and threads at once.
    pub pids: u32,
    /// Open files of one process.
    #[serde(default)]
    pub open_files: u64,
    /// What its network carries each way, in megabits a second; 0: as much as it can.
    #[serde(default)]
    pub bandwidth: u32,
    /// What it reaches: `none` or `all`.
    pub network: String,
    /// GPUs of the host that it has.
    #[serde(default)]
    pub gpus: Gpus,
    /// Variables of every process.
    pub env: BTreeMap<String, String>,
    /// What gets the command as its arguments; may be empty.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Main process, or the arguments of the entry point.
    pub command: Option<CommandBody>,
    /// Where processes begin; null: the user's home.
    #[serde(default)]
    pub cwd: Option<String>,
    /// User of execs.
    pub user: String,
    /// `standard` or `none`.
    pub capabilities: String,
    /// Whether the root is read-only.
    pub read_only_root: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Life time in seconds.
    pub ttl_seconds: Option<u64>,
    /// What its end does.
    pub on_expiry: String,
    /// RFC 3339: when its life ends, as the clocks stand now.
    pub expires_at: Option<String>,
    /// Seconds without activity after which it stops; 0: never.
    pub idle_ttl_seconds: u64,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// Published ports.
    #[serde(default)]
    pub ports: Vec<PublishedPort>,
    /// The environment that it was made of.
    #[serde(default)]
    pub environment_id: Option<String>,
    /// Which version of that.
    #[serde(default)]
    pub environment_version: Option<u32>,
    /// `none` without a health check, and while it is not up; `starting`, `healthy` or `unhealthy`.
    #[serde(default)]
    #[schema(example = "healthy")]
    pub health: String,
    /// The last check since it came up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_result: Option<HealthResult>,
    /// What tells its health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
}

/// Answer to `POST /sandboxes`: one sandbox, or a list when `count` was given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum CreatedSandboxes {
    /// Without `count`.
    One(Box<Sandbox>),
    /// With `count`.
    Many(Vec<Sandbox>),
}

/// Answer to what is done to many sandboxes at once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkResult {
    /// Ids of those with which it was done.
    pub ids: Vec<String>,
    /// Those with which it was not.
    pub failed: Vec<BulkFailure>,
}

/// Why it was not done with one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkFailure {
    /// Id of the sandbox.
    pub id: String,
    /// Code of the error.
    pub code: String,
    /// What would be right.
    pub message: String,
}
