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
}
