//! Messages between the launcher and the egress program, on a socket pair that the supervisor keeps across their deaths.
//!
//! The launcher makes sockets in the network of the sandboxes, where the egress program itself cannot go, and hands them over:
//! when it has made that network, and whenever the egress program says that it has none.

use serde::{Deserialize, Serialize};

/// From the launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToEgress {
    /// Answer for names on the two sockets beside this: UDP, and TCP that listens.
    Dns,
}

/// From the egress program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromEgress {
    /// It has begun, and has no sockets.
    Ready,
}
