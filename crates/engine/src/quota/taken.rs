//! What sandboxes take of a quota.

use atoll_ports::SandboxRecord;
use atoll_types::{Desired, Limits};

/// What sandboxes take of a quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) sandboxes: u64,
    pub(crate) cpu_millis: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) storage_bytes: u64,
}

impl Taken {
    /// What a sandbox takes now.
    pub(crate) fn of(record: &SandboxRecord) -> Self {
        let limits = &record.spec.limits;
        match record.desired {
            Desired::Deleted => Self::default(),
            _ if is_up(record) => Self::kept(limits).plus(Self::up(limits)),
            _ => Self::kept(limits),
        }
    }

    /// A sandbox that exists.
    pub(super) fn kept(limits: &Limits) -> Self {
        Self { sandboxes: 1, storage_bytes: limits.disk_bytes, ..Self::default() }
    }

    /// What it takes beside that when it is up.
    pub(super) fn up(limits: &Limits) -> Self {
        Self {
            cpu_millis: u64::from(limits.cpu_millis),
            memory_bytes: limits.memory_bytes,
            ..Self::default()
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    pub(super) fn times(self, count: u32) -> Self {
        let count = u64::from(count);
        let all = Self { sandboxes: count, cpu_millis: count, memory_bytes: count, storage_bytes: count };
        self.with(all, u64::saturating_mul)
    }

    fn with(self, other: Self, act: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sandboxes: act(self.sandboxes, other.sandboxes),
            cpu_millis: act(self.cpu_millis, other.cpu_millis),
            memory_bytes: act(self.memory_bytes, other.memory_bytes),
            storage_bytes: act(self.storage_bytes, other.storage_bytes),
        }
    }
}

/// Whether it is to be up.
pub(super) fn is_up(record: &SandboxRecord) -> bool {
    match record.desired {
        Desired::Running | Desired::Paused => true,
        Desired::Stopped | Desired::Deleted => false,
    }
}
