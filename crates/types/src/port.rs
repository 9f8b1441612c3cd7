//! Ports of a sandbox that are published on the host.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

/// A port to publish, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishPort {
    /// Port inside the sandbox, on its loopback interface.
    pub container: NonZeroU16,
    /// Port of the host; none: any that is free.
    #[serde(default)]
    pub host: Option<NonZeroU16>,
}

/// A port that is published, as it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Port inside the sandbox.
    pub container: NonZeroU16,
    /// Port of the host.
    pub host: NonZeroU16,
}
