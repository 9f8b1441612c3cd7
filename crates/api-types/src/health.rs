//! Health: a bare object, without the envelope.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer to `GET /health`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok` or `degraded`.
    pub status: String,
    /// Running sandboxes.
    pub containers: u64,
    /// `2h15m30s`.
    pub uptime: String,
    /// `ok` or the error.
    pub db: String,
    /// `ok`, `absent` or the error.
    pub docker: String,
    /// By name.
    pub runtimes: BTreeMap<String, RuntimeHealth>,
    /// RFC 3339.
    pub timestamp: String,
    /// Release.
    pub version: String,
}

/// A runtime's part of the health.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeHealth {
    /// `ok` or `unavailable`.
    pub status: String,
    /// Whether disk limits hold here.
    pub disk_limits: bool,
    /// Whether sandboxes can have a network here, beside loopback.
    #[serde(default)]
    pub networks: bool,
    /// Whether sandboxes may ask for GPUs here; Docker says whether it has any only when one is made.
    #[serde(default)]
    pub gpus: bool,
    /// What is missing here and why.
    pub notes: Vec<String>,
}

/// Answer to `GET /health/live` and `GET /health/ready`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Probe {
    /// `ok`, `starting` or `degraded`.
    pub status: String,
}
