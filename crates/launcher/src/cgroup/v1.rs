//! Version 1: one hierarchy for each controller, `<controller>/atoll-<installation>/sandbox-<id>`; the agent's memory
//! beside it in `agent-<id>`. In the other hierarchies the agent stays in the installation's own group.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use atoll_types::{Limits, SandboxId};
use rustix::io::Errno;
use rustix::process::Pid;

use super::dir::Dir;
use super::{
    AGENT_MEMORY_BYTES, Cgroups, Freeze, GroupUsage, View, field, number, quota_micros, workload_name,
};
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
    /// Counts only. Where it has a hierarchy of its own, the first process enters it once and its children follow, so
    /// that no command pays for it; where it shares that of the CPU, the workload is in it anyway.
    CpuAccounting,
}

impl Controller {
    /// Those without which no sandbox can be limited.
    pub(super) const NEEDED: [Self; 4] = [Self::Memory, Self::Cpu, Self::Pids, Self::Freezer];

    /// The kernel's name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
            Self::Freezer => "freezer",
            Self::CpuAccounting => "cpuacct",
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
    fn limit_group(hierarchy: &Hierarchy, group: &str, limits: &Limits) -> rustix::io::Result<()> {
        let base = &hierarchy.base;
        match hierarchy.controller {
            Controller::Memory => limit_memory(base, group, limits.memory_bytes),
            // The period is the kernel's own. Each write walks through all groups of the host: half a millisecond with a thousand.
            Controller::Cpu => {
                base.set(&format!("{group}/cpu.cfs_quota_us"), &quota_micros(limits).to_string())
            }
            Controller::Pids => base.set(&format!("{group}/pids.max"), &limits.pids.to_string()),
            Controller::Freezer | Controller::CpuAccounting => Ok(()),
        }
    }

    fn of(&self, controller: Controller) -> Option<&Dir> {
        self.hierarchies.iter().find(|h| h.controller == controller).map(|h| &h.base)
    }

    /// Hierarchies that the workload enters.
    fn limiting(&self) -> impl Iterator<Item = &Hierarchy> {
        self.hierarchies.iter().filter(|h| h.controller != Controller::CpuAccounting)
    }

    /// A file of the workload's group.
    fn read(&self, controller: Controller, sandbox: &SandboxId, file: &str) -> Option<String> {
        self.of(controller)?.read(&format!("{}/{file}", workload_name(sandbox)))
    }

    fn groups<'a>(&'a self, sandbox: &'a SandboxId) -> impl Iterator<Item = (&'a Dir, Controller, String)> {
        let workload = self.hierarchies.iter().map(|h| (&h.base, h.controller, workload_name(sandbox)));
        let memory = self.hierarchies.iter().filter(|h| h.controller == Controller::Memory);
        workload.chain(memory.map(|h| (&h.base, h.controller, agent_name(sandbox))))
    }

    /// The hierarchies whose groups are renamed before they are removed.
    fn renaming(&self) -> impl Iterator<Item = &Hierarchy> {
        self.hierarchies.iter().filter(|h| h.controller == Controller::Memory)
    }
}

impl Cgroups for V1 {
    fn version(&self) -> u32 {
        1
    }

    fn make(&self, sandbox: &SandboxId) -> Result<(), StepError> {
        for (base, controller, group) in self.groups(sandbox) {
            base.make(&group).at(Step::MakeCgroup)?;
            if controller == Controller::Freezer {
                // Its child enters it, and must not wait there.
                base.set(&format!("{group}/freezer.state"), "THAWED").at(Step::LimitCgroup)?;
            }
        }
        Ok(())
    }

    fn limit(&self, sandbox: &SandboxId, limits: &Limits) -> Result<(), StepError> {
        let group = workload_name(sandbox);
        for hierarchy in &self.hierarchies {
            Self::limit_group(hierarchy, &group, limits).at(Step::LimitCgroup)?;
            if hierarchy.controller == Controller::Memory {
                limit_memory(&hierarchy.base, &agent_name(sandbox), AGENT_MEMORY_BYTES)
                    .at(Step::LimitCgroup)?;
            }
        }
        Ok(())
    }

    fn workload_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        let path = format!("{}/cgroup.procs", workload_name(sandbox));
        self.limiting().map(|h| h.base.entry(&path).at(Step::EnterCgroup)).collect()
    }

    fn agent_entries(&self, _sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        self.limiting().map(|h| h.base.entry("cgroup.procs").at(Step::EnterCgroup)).collect()
    }

    fn memory_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        let path = format!("{}/cgroup.procs", agent_name(sandbox));
        let memory = self.of(Controller::Memory).into_iter();
        memory.map(|base| base.entry(&path).at(Step::EnterCgroup)).collect()
    }

    fn views(&self, sandbox: &SandboxId) -> Result<Vec<View>, StepError> {
        let group = workload_name(sandbox);
        let limits = self.limiting().filter(|h| h.controller != Controller::Freezer);
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

    fn collect(&self, reclaim: bool) {
        for hierarchy in self.renaming() {
            for name in hierarchy.base.children().into_iter().filter(|name| name.starts_with(TRASH)) {
                // Reclaim walks every cache of the kernel, so only where pages would keep the group as a zombie.
                let stat = || hierarchy.base.read(&format!("{name}/memory.stat"));
                if reclaim && stat().is_none_or(|stat| holds_pages(&stat)) {
                    let _best_effort = hierarchy.base.set(&format!("{name}/memory.force_empty"), "0");
                }
                let _next_round = hierarchy.base.remove(&name);
            }
        }
    }

    fn trash(&self) -> u32 {
        let names = self.renaming().flat_map(|h| h.base.children());
        u32::try_from(names.filter(|name| name.starts_with(TRASH)).count()).unwrap_or(u32::MAX)
    }

    fn set_frozen(&self, sandbox: &SandboxId, frozen: bool) -> Result<(), StepError> {
        let freezer =
            self.of(Controller::Freezer).ok_or(StepError { step: Step::Freeze, errno: Errno::NOENT })?;
        let state = if frozen { "FROZEN" } else { "THAWED" };
        freezer.set(&format!("{}/freezer.state", workload_name(sandbox)), state).at(Step::Freeze)
    }

    fn freeze_state(&self, sandbox: &SandboxId) -> Freeze {
        // The kernel looks at the processes anew at each read: a group is frozen once somebody has seen it so.
        match self.read(Controller::Freezer, sandbox, "freezer.state").as_deref().map(str::trim) {
            Some("FROZEN") => Freeze::Frozen,
            Some("FREEZING") => Freeze::Freezing,
            _ => Freeze::Thawed,
        }
    }

    fn counting_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        let path = format!("{}/cgroup.procs", workload_name(sandbox));
        let counting = self.of(Controller::CpuAccounting).into_iter();
        counting.map(|base| base.entry(&path).at(Step::EnterCgroup)).collect()
    }

    fn usage(&self, sandbox: &SandboxId) -> GroupUsage {
        let own = self.of(Controller::CpuAccounting).map(|_| Controller::CpuAccounting);
        let cpu = own.unwrap_or(Controller::Cpu);
        let stat = self.read(Controller::Memory, sandbox, "memory.stat").unwrap_or_default();
        let memory = number(self.read(Controller::Memory, sandbox, "memory.usage_in_bytes"));
        let pids = number(self.read(Controller::Pids, sandbox, "pids.current"));
        GroupUsage {
            cpu_nanos: number(self.read(cpu, sandbox, "cpuacct.usage")),
            system_nanos: number(self.read(cpu, sandbox, "cpuacct.usage_sys")),
            memory_bytes: memory.saturating_sub(field(&stat, "total_inactive_file")),
            pids: u32::try_from(pids).unwrap_or(u32::MAX),
        }
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
        let all = Controller::NEEDED.into_iter().chain([Controller::CpuAccounting]);
        V1 { hierarchies: all.map(hierarchy).collect() }
    }

    #[test]
    fn limits_are_written_where_the_kernel_reads_them() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = fake(root.path());
        let id = SandboxId::random();
        let limits = Limits { memory_bytes: 64 << 20, cpu_millis: 250, pids: 17, ..Limits::default() };
        cgroups.make(&id).unwrap();
        cgroups.limit(&id, &limits).unwrap();
        let read = |path: String| std::fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(read(format!("memory/sandbox-{id}/memory.limit_in_bytes")), "67108864");
        assert_eq!(read(format!("memory/sandbox-{id}/memory.memsw.limit_in_bytes")), "67108864");
        assert_eq!(read(format!("memory/agent-{id}/memory.limit_in_bytes")), "67108864");
        assert_eq!(read(format!("cpu/sandbox-{id}/cpu.cfs_quota_us")), "25000");
        assert_eq!(read(format!("pids/sandbox-{id}/pids.max")), "17");
        assert_eq!(cgroups.list(), [(id, 6)]);
    }

    #[test]
    fn a_freeze_is_asked_for_and_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = fake(root.path());
        let id = SandboxId::random();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Thawed, "no group at all");
        cgroups.make(&id).unwrap();
        cgroups.limit(&id, &Limits::default()).unwrap();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Thawed);
        cgroups.set_frozen(&id, true).unwrap();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Frozen);
        std::fs::write(root.path().join(format!("freezer/sandbox-{id}/freezer.state")), "FREEZING\n")
            .unwrap();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Freezing);
        cgroups.set_frozen(&id, false).unwrap();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Thawed);
    }

    #[test]
    fn what_groups_count_is_read() {
        let root = tempfile::tempdir().unwrap();
        let mut cgroups = fake(root.path());
        let id = SandboxId::random();
        cgroups.make(&id).unwrap();
        cgroups.limit(&id, &Limits::default()).unwrap();
        assert_eq!(cgroups.usage(&id), GroupUsage::default());
        let write = |path: &str, text: &str| {
            let (controller, file) = path.split_once('/').unwrap();
            std::fs::write(root.path().join(format!("{controller}/sandbox-{id}/{file}")), text).unwrap();
        };
        write("cpuacct/cpuacct.usage", "3000000000\n");
        write("cpuacct/cpuacct.usage_sys", "1000000000\n");
        write("memory/memory.usage_in_bytes", "5000\n");
        write("memory/memory.stat", "inactive_file 1\ntotal_inactive_file 2000\n");
        write("pids/pids.current", "7\n");
        let usage = GroupUsage {
            cpu_nanos: 3_000_000_000,
            system_nanos: 1_000_000_000,
            memory_bytes: 3_000,
            pids: 7,
        };
        assert_eq!(cgroups.usage(&id), usage);
        // Where it shares the hierarchy of the CPU.
        cgroups.hierarchies.retain(|h| h.controller != Controller::CpuAccounting);
        write("cpu/cpuacct.usage", "4000000000\n");
        write("cpu/cpuacct.usage_sys", "1000000000\n");
        assert_eq!(cgroups.usage(&id), GroupUsage { cpu_nanos: 4_000_000_000, ..usage });
        assert!(cgroups.counting_entries(&id).unwrap().is_empty());
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
        cgroups.make(&id).unwrap();
        cgroups.limit(&id, &Limits::default()).unwrap();
        assert_eq!(cgroups.workload_entries(&id).unwrap().len(), 4);
        assert_eq!(cgroups.agent_entries(&id).unwrap().len(), 4);
        assert_eq!(cgroups.memory_entries(&id).unwrap().len(), 1);
        assert_eq!(cgroups.views(&id).unwrap().len(), 3);
        assert_eq!(cgroups.counting_entries(&id).unwrap().len(), 1);
    }
}
