//! The sandboxes that have a process, or are about to have none.

use std::os::fd::OwnedFd;
use std::time::Duration;

use atoll_launcher_protocol::{Failure, StartSandbox};
use atoll_types::ImageSource;

use super::connection::Waiter;

/// A sandbox with a process.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its range of host ids, where known.
    pub(super) uid_slot: Option<u32>,
    /// What its root is made of, where known.
    pub(super) image: Option<ImageSource>,
    /// Its first process, while it lives.
    pub(super) process: Option<Process>,
    /// What goes on.
    pub(super) phase: Phase,
}

/// The first process of a sandbox.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pidfd: OwnedFd,
    /// Names it in events.
    pub(super) token: u64,
}

/// What goes on with a sandbox.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its child prepares itself.
    Starting(Starting),
    /// Its agent runs.
    Running,
    /// It is being ended.
    Ending(Ending),
    /// It runs, and is being frozen.
    Pausing(Pausing),
}

/// A freeze under way.
#[derive(Debug)]
pub(super) struct Pausing {
    /// Who asked for it.
    pub(super) waiters: Vec<Waiter>,
    /// When it is looked at again.
    pub(super) look_at: Duration,
    /// When it is taken back.
    pub(super) until: Duration,
}

/// A start under way.
#[derive(Debug)]
pub(super) struct Starting {
    pub(super) report: OwnedFd,
    pub(super) token: u64,
    pub(super) waiters: Vec<Waiter>,
    pub(super) dirty: bool,
    pub(super) disk_bytes: u64,
    /// When it is given up.
    pub(super) until: Duration,
}

/// An end under way.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) stage: Stage,
    /// Who asked for the end.
    pub(super) waiters: Vec<Waiter>,
    /// Whether its files go too.
    pub(super) remove: bool,
    /// Who asked for the start that failed, and why it did.
    pub(super) failed_start: Option<(Vec<Waiter>, Failure)>,
    /// A start that came meanwhile.
    pub(super) then_start: Option<(Vec<Waiter>, Box<StartSandbox>)>,
    /// When the stage is looked at again; none: an event will come.
    pub(super) retry_at: Option<Duration>,
    /// When those who wait are told that it does not end.
    pub(super) until: Duration,
}

/// How far an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its first process, and with it all others, is being killed.
    Dying,
    /// Its control groups are being removed.
    Groups,
    /// Its files are being put on disk.
    Closing,
}

impl Entry {
    /// When something must be done if no event comes.
    pub(super) fn act_at(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Starting(starting) => Some(starting.until),
            Phase::Running => None,
            Phase::Ending(ending) => ending.retry_at,
            Phase::Pausing(pausing) => Some(pausing.look_at),
        }
    }

    /// Requests that wait for this sandbox.
    pub(super) fn waiting(&self) -> usize {
        match &self.phase {
            Phase::Starting(starting) => starting.waiters.len(),
            Phase::Running => 0,
            Phase::Pausing(pausing) => pausing.waiters.len(),
            Phase::Ending(ending) => {
                ending.waiters.len()
                    + ending.failed_start.as_ref().map_or(0, |(waiters, _)| waiters.len())
                    + ending.then_start.as_ref().map_or(0, |(waiters, _)| waiters.len())
            }
        }
    }
}
