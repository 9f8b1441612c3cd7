//! What a user may have.

use serde::{Deserialize, Serialize};

/// What a user may have, all his sandboxes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Sandboxes in any state.
    pub sandboxes: u64,
    /// CPU that those which are up may use, in thousandths of a core.
    pub cpu_millis: u64,
    /// Memory that those which are up may use, in bytes.
    pub memory_bytes: u64,
    /// Disk that all may use, in bytes.
    pub storage_bytes: u64,
    /// Bytes that they send in a month.
    pub egress_bytes: u64,
    /// Commands that are started in an hour.
    pub execs_per_hour: u64,
}

impl Default for Quota {
    /// Room for a person at work, on a machine that others use too.
    fn default() -> Self {
        Self {
            sandboxes: 20,
            cpu_millis: 8_000,
            memory_bytes: 16 << 30,
            storage_bytes: 20 << 30,
            egress_bytes: 50 << 30,
            execs_per_hour: 10_000,
        }
    }
}

/// What an operator gave one user in place of the settings; what is absent is as the settings say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaOverride {
    /// Sandboxes in any state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandboxes: Option<u64>,
    /// CPU, in thousandths of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Disk, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<u64>,
    /// Bytes sent in a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_bytes: Option<u64>,
    /// Commands in an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execs_per_hour: Option<u64>,
}

impl QuotaOverride {
    /// The quota of a user who was given this.
    #[must_use]
    pub fn over(self, usual: Quota) -> Quota {
        Quota {
            sandboxes: self.sandboxes.unwrap_or(usual.sandboxes),
            cpu_millis: self.cpu_millis.unwrap_or(usual.cpu_millis),
            memory_bytes: self.memory_bytes.unwrap_or(usual.memory_bytes),
            storage_bytes: self.storage_bytes.unwrap_or(usual.storage_bytes),
            egress_bytes: self.egress_bytes.unwrap_or(usual.egress_bytes),
            execs_per_hour: self.execs_per_hour.unwrap_or(usual.execs_per_hour),
        }
    }
}
