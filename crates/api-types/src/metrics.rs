//! What a sandbox uses.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer to `GET /sandboxes/:id/metrics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Time of the CPU.
    pub cpu: CpuMetrics,
    /// Memory.
    pub memory: MemoryMetrics,
    /// What went over the network since the sandbox came up; loopback does not count. All zero without a network.
    pub network: NetworkMetrics,
    /// What went to and from storage since the sandbox came up; what came out of a cache does not count.
    pub io: IoMetrics,
    /// Processes; only when they are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<PidMetrics>,
}

/// Time of the CPU, over the time since somebody looked last (0.1 to 30 s).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CpuMetrics {
    /// In percent of one core: 100 keeps one core busy.
    #[schema(example = 2.5)]
    pub usage_percent: f64,
    /// The part of it that the kernel ran for the sandbox.
    #[schema(example = 1.2)]
    pub system_percent: f64,
    /// Cores that the sandbox may use.
    #[schema(example = 1)]
    pub cores: f64,
}

/// Memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryMetrics {
    /// Bytes in use, without file pages that nobody has used lately.
    #[schema(example = 52_428_800)]
    pub usage_bytes: u64,
    /// Bytes that it may use.
    #[schema(example = 268_435_456)]
    pub limit_bytes: u64,
    /// Use in percent of the limit.
    #[schema(example = 19.5)]
    pub usage_percent: f64,
}

/// What went over the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkMetrics {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

/// What went to and from storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IoMetrics {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
}

/// Processes and threads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PidMetrics {
    /// Now; one of them is Atoll's own, ready for the next command.
    pub current: u32,
    /// How many there may be.
    pub limit: u32,
}
