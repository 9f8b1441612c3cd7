//! What sandboxes use.

use serde::{Deserialize, Serialize};

/// What a sandbox uses, and what it has used since it was started. What its runtime does not count is 0. Fields are only ever added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// CPU time, in nanoseconds.
    pub cpu_nanos: u64,
    /// The part of it that the kernel ran for the sandbox, in nanoseconds.
    pub system_nanos: u64,
    /// Memory in use, in bytes, without file pages that nobody has used lately.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes that came in over the network; loopback does not count.
    pub rx_bytes: u64,
    /// Bytes that went out.
    pub tx_bytes: u64,
    /// Packets that came in.
    pub rx_packets: u64,
    /// Packets that went out.
    pub tx_packets: u64,
    /// Bytes read from storage.
    pub read_bytes: u64,
    /// Bytes written to storage.
    pub write_bytes: u64,
}
