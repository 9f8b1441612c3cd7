//! Version 2: `atoll-<installation>/sandbox-<id>/{workload,agent}` in the one hierarchy.

use std::os::fd::OwnedFd;

use atoll_types::{Limits, SandboxId};
use rustix::io::Errno;
use rustix::process::Pid;

use super::dir::Dir;
use super::{
    AGENT_MEMORY_BYTES, CPU_PERIOD_MICROS, Cgroups, Freeze, GroupUsage, View, field, number, quota_micros,
    workload_name,
};
use crate::report::{At, Step, StepError};

/// Controllers that each level hands down to the next.
pub(super) const CONTROLLERS: &str = "+memory +cpu +pids";

/// The installation's group.
#[derive(Debug)]
pub(super) struct V2 {
    pub(super) base: Dir,
}

const GROUPS: [&str; 2] = ["workload", "agent"];

impl V2 {
    fn limit_memory(&self, group: &str, bytes: u64) -> rustix::io::Result<()> {
        self.base.set(&format!("{group}/memory.max"), &bytes.to_string())?;
        // No swap surprise; the file is absent where the kernel has no swap accounting.
        match self.base.set(&format!("{group}/memory.swap.max"), "0") {
            Err(Errno::NOENT | Errno::ACCESS) => Ok(()),
            other => other,
        }
    }

    fn entry(&self, sandbox: &SandboxId, group: &str) -> Result<Vec<OwnedFd>, StepError> {
        let path = format!("{}/{group}/cgroup.procs", workload_name(sandbox));
        Ok(vec![self.base.entry(&path).at(Step::EnterCgroup)?])
    }
}

impl Cgroups for V2 {
    fn version(&self) -> u32 {
        2
    }

    fn make(&self, sandbox: &SandboxId) -> Result<(), StepError> {
        let sandbox = workload_name(sandbox);
        self.base.make(&sandbox).at(Step::MakeCgroup)?;
        // A group hands controllers down only while it has no process of its own, so this goes before its children.
        self.base.set(&format!("{sandbox}/cgroup.subtree_control"), CONTROLLERS).at(Step::LimitCgroup)?;
        for group in GROUPS {
            self.base.make(&format!("{sandbox}/{group}")).at(Step::MakeCgroup)?;
        }
        // Its child enters it, and must not wait there.
        self.base.set(&format!("{sandbox}/workload/cgroup.freeze"), "0").at(Step::LimitCgroup)
    }

    fn limit(&self, sandbox: &SandboxId, limits: &Limits) -> Result<(), StepError> {
        let sandbox = workload_name(sandbox);
        let workload = format!("{sandbox}/workload");
        self.limit_memory(&workload, limits.memory_bytes).at(Step::LimitCgroup)?;
        self.limit_memory(&format!("{sandbox}/agent"), AGENT_MEMORY_BYTES).at(Step::LimitCgroup)?;
        let quota = format!("{} {CPU_PERIOD_MICROS}", quota_micros(limits));
        self.base.set(&format!("{workload}/cpu.max"), &quota).at(Step::LimitCgroup)?;
        self.base.set(&format!("{workload}/pids.max"), &limits.pids.to_string()).at(Step::LimitCgroup)
    }

    fn workload_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        self.entry(sandbox, "workload")
    }

    fn agent_entries(&self, sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        self.entry(sandbox, "agent")
    }

    fn memory_entries(&self, _sandbox: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        Ok(Vec::new())
    }

    fn views(&self, sandbox: &SandboxId) -> Result<Vec<View>, StepError> {
        let dir =
            self.base.open(&format!("{}/workload", workload_name(sandbox))).at(Step::MountCgroupView)?;
        Ok(vec![View { name: String::new(), dir }])
    }

    fn release(&self, sandbox: &SandboxId) {
        // Since Linux 5.14; it reaches frozen processes too. Without it the namespace's first process is killed, and
        // takes the others with it once they are thawed.
        let _gone_is_fine = self.base.set(&format!("{}/workload/cgroup.kill", workload_name(sandbox)), "1");
        let _gone_is_fine = self.base.set(&format!("{}/workload/cgroup.freeze", workload_name(sandbox)), "0");
    }

    fn members(&self, sandbox: &SandboxId) -> Vec<Pid> {
        let name = workload_name(sandbox);
        GROUPS.iter().flat_map(|group| self.base.members(&format!("{name}/{group}"))).collect()
    }

    fn remove(&self, sandbox: &SandboxId) -> Result<bool, StepError> {
        let name = workload_name(sandbox);
        let mut gone = true;
        for group in GROUPS {
            gone &= self.base.remove(&format!("{name}/{group}")).at(Step::RemoveCgroup)?;
        }
        Ok(gone && self.base.remove(&name).at(Step::RemoveCgroup)?)
    }

    fn list(&self) -> Vec<(SandboxId, u32)> {
        let id = |name: String| name.strip_prefix("sandbox-").and_then(|id| id.parse().ok());
        self.base.children().into_iter().filter_map(id).map(|id| (id, 1)).collect()
    }

    fn collect(&self, _: bool) {}

    fn trash(&self) -> u32 {
        0
    }

    fn set_frozen(&self, sandbox: &SandboxId, frozen: bool) -> Result<(), StepError> {
        let path = format!("{}/workload/cgroup.freeze", workload_name(sandbox));
        self.base.set(&path, if frozen { "1" } else { "0" }).at(Step::Freeze)
    }

    fn freeze_state(&self, sandbox: &SandboxId) -> Freeze {
        let workload = format!("{}/workload", workload_name(sandbox));
        let asked = self.base.read(&format!("{workload}/cgroup.freeze"));
        if asked.is_none_or(|text| text.trim() != "1") {
            return Freeze::Thawed;
        }
        let events = self.base.read(&format!("{workload}/cgroup.events")).unwrap_or_default();
        if events.lines().any(|line| line == "frozen 1") { Freeze::Frozen } else { Freeze::Freezing }
    }

    fn counting_entries(&self, _: &SandboxId) -> Result<Vec<OwnedFd>, StepError> {
        // Every group counts.
        Ok(Vec::new())
    }

    fn usage(&self, sandbox: &SandboxId) -> GroupUsage {
        let read = |file: &str| self.base.read(&format!("{}/workload/{file}", workload_name(sandbox)));
        let (cpu, memory) = (read("cpu.stat").unwrap_or_default(), read("memory.stat").unwrap_or_default());
        let nanos = |name: &str| field(&cpu, name).saturating_mul(1_000);
        GroupUsage {
            cpu_nanos: nanos("usage_usec"),
            system_nanos: nanos("system_usec"),
            memory_bytes: number(read("memory.current")).saturating_sub(field(&memory, "inactive_file")),
            pids: u32::try_from(number(read("pids.current"))).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_where_the_kernel_reads_them() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = V2 { base: Dir::stand_in(root.path()) };
        let id = SandboxId::random();
        let limits = Limits { memory_bytes: 64 << 20, cpu_millis: 1_500, pids: 17, ..Limits::default() };
        cgroups.make(&id).unwrap();
        cgroups.limit(&id, &limits).unwrap();
        let read = |path: &str| {
            std::fs::read_to_string(root.path().join(format!("sandbox-{id}")).join(path)).unwrap()
        };
        assert_eq!(read("cgroup.subtree_control"), CONTROLLERS);
        assert_eq!(read("workload/memory.max"), "67108864");
        assert_eq!(read("workload/memory.swap.max"), "0");
        assert_eq!(read("workload/cpu.max"), "150000 100000");
        assert_eq!(read("workload/pids.max"), "17");
        assert_eq!(read("agent/memory.max"), "67108864");
        cgroups.release(&id);
        assert_eq!(read("workload/cgroup.kill"), "1");
        assert_eq!(cgroups.list(), [(id, 1)]);
    }

    #[test]
    fn a_freeze_is_asked_for_and_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = V2 { base: Dir::stand_in(root.path()) };
        let id = SandboxId::random();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Thawed, "no group at all");
        cgroups.make(&id).unwrap();
        cgroups.limit(&id, &Limits::default()).unwrap();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Thawed);
        cgroups.set_frozen(&id, true).unwrap();
        let group = root.path().join(format!("sandbox-{id}/workload"));
        assert_eq!(std::fs::read_to_string(group.join("cgroup.freeze")).unwrap(), "1");
        std::fs::write(group.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Freezing);
        std::fs::write(group.join("cgroup.events"), "populated 1\nfrozen 1\n").unwrap();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Frozen);
        assert!(
            !root.path().join(format!("sandbox-{id}/agent/cgroup.freeze")).exists(),
            "the agent never freezes"
        );
        cgroups.set_frozen(&id, false).unwrap();
        assert_eq!(cgroups.freeze_state(&id), Freeze::Thawed);
    }

    #[test]
    fn what_groups_count_is_read() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = V2 { base: Dir::stand_in(root.path()) };
        let id = SandboxId::random();
        cgroups.make(&id).unwrap();
        cgroups.limit(&id, &Limits::default()).unwrap();
        assert_eq!(cgroups.usage(&id), GroupUsage::default());
        let write = |file: &str, text: &str| {
            std::fs::write(root.path().join(format!("sandbox-{id}/workload/{file}")), text).unwrap();
        };
        write("cpu.stat", "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\n");
        write("memory.current", "5000\n");
        write("memory.stat", "anon 1\ninactive_file 2000\n");
        write("pids.current", "7\n");
        let usage = GroupUsage {
            cpu_nanos: 3_000_000_000,
            system_nanos: 1_000_000_000,
            memory_bytes: 3_000,
            pids: 7,
        };
        assert_eq!(cgroups.usage(&id), usage);
    }

    #[test]
    fn members_of_both_groups_are_found() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = V2 { base: Dir::stand_in(root.path()) };
        let id = SandboxId::random();
        cgroups.make(&id).unwrap();
        cgroups.limit(&id, &Limits::default()).unwrap();
        std::fs::write(root.path().join(format!("sandbox-{id}/workload/cgroup.procs")), "12\n13\n").unwrap();
        std::fs::write(root.path().join(format!("sandbox-{id}/agent/cgroup.procs")), "11\nnonsense\n")
            .unwrap();
        let mut pids: Vec<_> = cgroups.members(&id).iter().map(|pid| pid.as_raw_nonzero().get()).collect();
        pids.sort_unstable();
        assert_eq!(pids, [11, 12, 13]);
    }
}
