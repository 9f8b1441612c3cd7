//! Control groups of sandboxes, on version 1 and 2.
//!
//! A sandbox has two: the workload's, with the limits, and beside it the agent's, so that running out of memory, a CPU
//! limit or a freeze never hits the agent. A child of the agent enters the workload's by writing `0` to a descriptor
//! that the launcher opened.

mod dir;
mod find;
mod v1;
mod v2;

use std::fmt::Debug;
use std::os::fd::OwnedFd;

use atoll_types::{Limits, SandboxId};
use rustix::process::Pid;

use crate::report::StepError;

pub(crate) use find::find;

/// Memory of an agent, in bytes: measured below 1 MiB idle, with room for its rings of output.
pub(crate) const AGENT_MEMORY_BYTES: u64 = 64 << 20;

/// Period of the CPU quota, in microseconds: the kernel's own default.
const CPU_PERIOD_MICROS: u64 = 100_000;

/// A folder of cgroup files that a sandbox sees, read-only, under `/sys/fs/cgroup`.
#[derive(Debug)]
pub(crate) struct View {
    /// Name under `/sys/fs/cgroup`; empty: that folder itself.
    pub(crate) name: String,
    /// The workload's folder.
    pub(crate) dir: OwnedFd,
}

/// What the launcher does with control groups. Every call may be repeated.
pub(crate) trait Cgroups: Debug {
    /// 1 or 2.
    fn version(&self) -> u32;
    /// Makes the groups of a sandbox.
    fn make(&self, sandbox: &SandboxId) -> Result<(), StepError>;
    /// Sets their limits. Must be done before anything of the sandbox's own runs in them.
    fn limit(&self, sandbox: &SandboxId, limits: &Limits) -> Result<(), StepError>;
    /// Files through which a process enters the workload's groups by writing `0`.
    fn workload_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError>;
    /// Files through which a process enters the agent's groups by writing `0`.
    fn agent_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError>;
    /// Files through which a process enters the groups that the agent's memory counts in, by writing `0`, where
    /// [`Cgroups::agent_entries`] leaves that out: what the launcher's child makes before (files, mounts) is then charged to the
    /// launcher, and does not keep the group of a sandbox that is gone.
    fn memory_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError>;
    /// What the sandbox may see of its own limits.
    fn views(&self, sandbox: &SandboxId) -> Result<Vec<View>, StepError>;
    /// Makes frozen processes of the workload able to die, and where the kernel can, kills them.
    fn release(&self, sandbox: &SandboxId);
    /// Processes that are still in the sandbox's groups.
    fn members(&self, sandbox: &SandboxId) -> Vec<Pid>;
    /// Removes the groups; whether all are gone. Groups that remember memory are only renamed, see [`Cgroups::collect`].
    fn remove(&self, sandbox: &SandboxId) -> Result<bool, StepError>;
    /// How many groups of which sandboxes exist.
    fn list(&self) -> Vec<(SandboxId, u32)>;
    /// Removes what `remove` renamed. Slow with `reclaim`: giving the pages of a memory group back takes milliseconds; without,
    /// a group that is removed with its pages stays as a zombie for as long as they are cached.
    fn collect(&self, reclaim: bool);
    /// How many renamed groups wait for [`Cgroups::collect`].
    fn trash(&self) -> u32;
    /// Freezes the workload, or thaws it. A freeze takes a while: see [`Cgroups::freeze_state`].
    fn set_frozen(&self, sandbox: &SandboxId, frozen: bool) -> Result<(), StepError>;
    /// How far a freeze of the workload is.
    fn freeze_state(&self, sandbox: &SandboxId) -> Freeze;
    /// Files through which the first process enters groups that only count, by writing `0`; its children follow it.
    fn counting_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError>;
    /// What the sandbox's groups count.
    fn usage(&self, sandbox: &SandboxId) -> GroupUsage;
}

/// What groups count; 0 where they do not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GroupUsage {
    /// CPU time, in nanoseconds.
    pub(crate) cpu_nanos: u64,
    /// The kernel's part of it, in nanoseconds.
    pub(crate) system_nanos: u64,
    /// Memory in use, in bytes, without file pages that nobody has used lately: they go as soon as somebody needs room.
    pub(crate) memory_bytes: u64,
    /// Processes and threads.
    pub(crate) pids: u32,
}

/// The number of a line `<name> <number>` of a file of the kernel's; 0 where there is none.
fn field(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(key, _)| *key == name).and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

/// The number that a file of the kernel's consists of; 0 where there is none.
fn number(text: Option<String>) -> u64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// How far a freeze is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freeze {
    /// Nobody asked for one, or the group is gone.
    Thawed,
    /// Some of the workload runs still.
    Freezing,
    /// Nothing of it runs.
    Frozen,
}

/// Name of the workload's group.
fn workload_name(sandbox: &SandboxId) -> String {
    format!("sandbox-{sandbox}")
}

/// CPU quota in microseconds of a period.
fn quota_micros(limits: &Limits) -> u64 {
    u64::from(limits.cpu_millis) * CPU_PERIOD_MICROS / 1_000
}
