//! What the store knows, as far as it matters here.

use std::collections::{BTreeMap, BTreeSet};

use atoll_types::{ImageDigest, SandboxId};

/// A sandbox that has a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its range of host uids.
    pub uid_slot: u32,
    /// Whether the record says that it runs and that nothing is being done to it.
    pub running: bool,
}

/// Everything that has a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Sandboxes, also those that are being deleted.
    pub sandboxes: BTreeMap<SandboxId, Recorded>,
    /// Images.
    pub images: BTreeSet<ImageDigest>,
    /// Secrets that a master key sealed which the server does not have.
    pub lost_secrets: Vec<LostSecrets>,
}

/// Secrets that nobody can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSecrets {
    /// Id of the master key.
    pub key: String,
    /// How many.
    pub secrets: u64,
    /// Of how many environments.
    pub environments: u64,
}
