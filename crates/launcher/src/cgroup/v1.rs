//! Version 1: one hierarchy for each controller, `<controller>/atoll-<installation>/sandbox-<id>`; the agent's memory
//! beside it in `agent-<id>`. In the other hierarchies the agent stays in the installation's own group.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use atoll_types::{Limits, SandboxId};
use rustix::io::Errno;
use rustix::process::Pid;

use super::dir::Dir;
use super::{AGENT_MEMORY_BYTES, CPU_PERIOD_MICROS, Cgroups, View, quota_micros, workload_name};
use crate::report::{At, Step, StepError};

/// What a renamed group of memory is called.
const TRASH: &str = "trash-";

/// One hierarchy that limits sandboxes.
#[derive(Debug)]
pub(super) struct Hierarchy {
    /// What it limits.
    pub(super) controller: Controller,
    /// Its name under `/sys/fs/cgroup`.
    pub(super) name: String,
    /// The installation's group in it.
    pub(super) base: Dir,
}

/// Controllers that sandboxes need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    Memory,
    Cpu,
    Pids,
    Freezer,
}

impl Controller {
    pub(super) const ALL: [Self; 4] = [Self::Memory, Self::Cpu, Self::Pids, Self::Freezer];

    /// The kernel's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
            Self::Freezer => "freezer",
        }
    }
}

/// All hierarchies of version 1.
#[derive(Debug)]
pub(super) struct V1 {
    pub(super) hierarchies: Vec<Hierarchy>,
}

fn agent_name(sandbox: &SandboxId) -> String {
    format!("agent-{sandbox}")
}

/// Limits memory and, where the kernel counts it, memory and swap together: no swap surprise. The plain limit goes
/// first when it shrinks what was unlimited, since the kernel refuses a sum below it.
fn limit_memory(base: &Dir, group: &str, bytes: u64) -> rustix::io::Result<()> {
    let bytes = bytes.to_string();
    if base.set(&format!("{group}/memory.limit_in_bytes"), &bytes).is_err() {
        // It grows beyond the old sum: the sum must grow first.
        base.set(&format!("{group}/memory.memsw.limit_in_bytes"), &bytes)?;
        base.set(&format!("{group}/memory.limit_in_bytes"), &bytes)?;
    }
    match base.set(&format!("{group}/memory.memsw.limit_in_bytes"), &bytes) {
        Err(Errno::NOENT | Errno::ACCESS) => base.set(&format!("{group}/memory.swappiness"), "0"),
        other => other,
    }
}

/// Whether a `memory.stat` tells of pages that belong to the group.
fn holds_pages(stat: &str) -> bool {
    stat.lines()
        .filter_map(|line| line.split_once(' '))
        .any(|(name, value)| matches!(name, "cache" | "rss") && value != "0")
}

impl V1 {
    fn limit(hierarchy: &Hierarchy, group: &str, limits: &Limits) -> rustix::io::Result<()> {
        let base = &hierarchy.base;
        match hierarchy.controller {
            Controller::Memory => limit_memory(base, group, limits.memory_bytes),
            Controller::Cpu => {
                base.set(&format!("{group}/cpu.cfs_period_us"), &CPU_PERIOD_MICROS.to_string())?;
                base.set(&format!("{group}/cpu.cfs_quota_us"), &quota_micros(limits).to_string())
            }
            Controller::Pids => base.set(&format!("{group}/pids.max"), &limits.pids.to_string()),
            Controller::Freezer => base.set(&format!("{group}/freezer.state"), "THAWED"),
        }
    }

    fn groups<'a>(&'a self, sandbox: &'a SandboxId) -> impl Iterator<Item = (&'a Dir, Controller, String)> {
        let workload = self.hierarchies.iter().map(|h| (&h.base, h.controller, workload_name(sandbox)));
        let memory = self.hierarchies.iter().filter(|h| h.controller == Controller::Memory);
        workload.chain(memory.map(|h| (&h.base, h.controller, agent_name(sandbox))))
    }
}

impl Cgroups for V1 {
    fn version(&self) -> u32 {
        1
    }

    fn make(&self, sandbox: &SandboxId, limits: &Limits) -> Result<(), StepError> {
        let group = workload_name(sandbox);
        for hierarchy in &self.hierarchies {
            hierarchy.base.make(&group).at(Step::MakeCgroup)?;
            Self::limit(hierarchy, &group, limits).at(Step::LimitCgroup)?;
            if hierarchy.controller == Controller::Memory {
                let agent = agent_name(sandbox);
                hierarchy.base.make(&agent).at(Step::MakeCgroup)?;
                limit_memory(&hierarchy.base, &agent, AGENT_MEMORY_BYTES).at(Step::LimitCgroup)?;
            }
        }
        Ok(())
    }

    fn workload_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        let path = format!("{}/cgroup.procs", workload_name(sandbox));
        self.hierarchies.iter().map(|h| h.base.entry(&path).at(Step::EnterCgroup)).collect()
    }

    fn agent_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        let memory = format!("{}/cgroup.procs", agent_name(sandbox));
        let entry = |h: &Hierarchy| match h.controller {
            Controller::Memory => h.base.entry(&memory),
            Controller::Cpu | Controller::Pids | Controller::Freezer => h.base.entry("cgroup.procs"),
        };
        self.hierarchies.iter().map(|h| entry(h).at(Step::EnterCgroup)).collect()
    }

    fn views(&self, sandbox: &SandboxId) -> Result<Vec<View>, StepError> {
        let group = workload_name(sandbox);
        let limits = self.hierarchies.iter().filter(|h| h.controller != Controller::Freezer);
        let view = |h: &Hierarchy| {
            Ok(View { name: h.name.clone(), dir: h.base.open(&group).at(Step::MountCgroupView)? })
        };
        limits.map(view).collect()
    }

    fn release(&self, sandbox: &SandboxId) {
        // A frozen task of version 1 ignores SIGKILL until it is thawed.
        for hierarchy in self.hierarchies.iter().filter(|h| h.controller == Controller::Freezer) {
            let _gone_is_fine =
                hierarchy.base.set(&format!("{}/freezer.state", workload_name(sandbox)), "THAWED");
        }
    }

    fn members(&self, sandbox: &SandboxId) -> Vec<Pid> {
        let mut pids: Vec<Pid> =
            self.groups(sandbox).flat_map(|(base, _, group)| base.members(&group)).collect();
        pids.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
        pids.dedup();
        pids
    }

    fn remove(&self, sandbox: &SandboxId) -> Result<bool, StepError> {
        let mut gone = true;
        for (base, _, group) in
            self.groups(sandbox).filter(|(_, controller, _)| *controller != Controller::Memory)
        {
            gone &= base.remove(&group).at(Step::RemoveCgroup)?;
        }
        if !gone {
            return Ok(false);
        }
        // Last, since a rename succeeds with processes in the group too, and then they would not be found by its name.
        for (base, _, group) in
            self.groups(sandbox).filter(|(_, controller, _)| *controller == Controller::Memory)
        {
            if base.members(&group).is_empty() {
                base.rename(&group, &format!("{TRASH}{group}-{}", SandboxId::random()))
                    .at(Step::RemoveCgroup)?;
            } else {
                gone = false;
            }
        }
        Ok(gone)
    }

    fn list(&self) -> Vec<(SandboxId, u32)> {
        let mut found = BTreeMap::new();
        for name in self.hierarchies.iter().flat_map(|h| h.base.children()) {
            let id = name.strip_prefix("sandbox-").or_else(|| name.strip_prefix("agent-"));
            if let Some(id) = id.and_then(|id| id.parse::<SandboxId>().ok()) {
                *found.entry(id).or_insert(0) += 1;
            }
        }
        found.into_iter().collect()
    }

    fn collect(&self) {
        for hierarchy in &self.hierarchies {
            for name in hierarchy.base.children().into_iter().filter(|name| name.starts_with(TRASH)) {
                // Reclaim walks every cache of the kernel, so only where pages would keep the group as a zombie.
                if hierarchy.base.read(&format!("{name}/memory.stat")).is_none_or(|stat| holds_pages(&stat)) {
                    let _best_effort = hierarchy.base.set(&format!("{name}/memory.force_empty"), "0");
                }
                let _next_round = hierarchy.base.remove(&name);
            }
        }
    }

    fn trash(&self) -> u32 {
        let names = self.hierarchies.iter().flat_map(|h| h.base.children());
        u32::try_from(names.filter(|name| name.starts_with(TRASH)).count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(root: &std::path::Path) -> V1 {
        let hierarchy = |controller: Controller| {
            let path = root.join(controller.as_str());
            std::fs::create_dir(&path).unwrap();
            Hierarchy { controller, name: controller.as_str().to_owned(), base: Dir::stand_in(&path) }
        };
        V1 { hierarchies: Controller::ALL.map(hierarchy).into() }
    }

    #[test]
    fn limits_are_written_where_the_kernel_reads_them() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = fake(root.path());
        let id = SandboxId::random();
        let limits = Limits { memory_bytes: 64 << 20, cpu_millis: 250, pids: 17, ..Limits::default() };
        cgroups.make(&id, &limits).unwrap();
        let read = |path: String| std::fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(read(format!("memory/sandbox-{id}/memory.limit_in_bytes")), "67108864");
        assert_eq!(read(format!("memory/sandbox-{id}/memory.memsw.limit_in_bytes")), "67108864");
        assert_eq!(read(format!("memory/agent-{id}/memory.limit_in_bytes")), "67108864");
        assert_eq!(read(format!("cpu/sandbox-{id}/cpu.cfs_quota_us")), "25000");
        assert_eq!(read(format!("pids/sandbox-{id}/pids.max")), "17");
        assert_eq!(cgroups.list(), [(id, 5)]);
    }

    #[test]
    fn only_groups_with_pages_are_reclaimed() {
        assert!(!holds_pages("cache 0\nrss 0\npgfault 12\n"));
        assert!(holds_pages("cache 4096\nrss 0\n"));
        assert!(holds_pages("cache 0\nrss 8192\n"));
    }

    #[test]
    fn a_process_enters_every_hierarchy_once() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = fake(root.path());
        let id = SandboxId::random();
        cgroups.make(&id, &Limits::default()).unwrap();
        assert_eq!(cgroups.workload_entries(&id).unwrap().len(), 4);
        assert_eq!(cgroups.agent_entries(&id).unwrap().len(), 4);
        assert_eq!(cgroups.views(&id).unwrap().len(), 3);
    }
}
