//! The judgement: a pure function of what is there and what is known.

mod docker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use atoll_types::SandboxId;

use crate::finding::{Finding, Kind, Severity, Target};
use crate::records::{LostSecrets, Recorded, Records};
use crate::world::{GroupOwner, Process, Program, Root, Traces, World};

/// Everything that is not as the records say, worst first.
#[must_use]
pub fn examine(world: &World, records: &Records) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, traces) in &world.sandboxes {
        match records.sandboxes.get(id) {
            // An import under way, which the launcher ends with it.
            None if traces.unpacker && world.runs(Program::Launcher) => {}
            None => findings.extend(unrecorded(id, traces)),
            Some(recorded) => findings.extend(contradictions(world, id, traces, *recorded)),
        }
    }
    findings.extend(missing(world, records));
    findings.extend(records.lost_secrets.iter().map(unreadable));
    findings.extend(shared_slots(world));
    findings.extend(parts(world));
    findings.extend(storage(world, records));
    findings.extend(roots(world));
    findings.extend(groups(world));
    findings.extend(networks(world));
    findings.extend(odds(world));
    findings.extend(docker::docker(world, records));
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
    findings
}

/// `fix` follows this order: leaks first; processes before their groups, foreign mounts before the files below them;
/// the storage itself only when nothing in it is left to remove.
fn order(finding: &Finding) -> (Severity, bool, Kind, &str) {
    let storage = finding.severity == Severity::Idle && finding.kind == Kind::Mount;
    (finding.severity, storage, finding.kind, &finding.name)
}

fn leak(kind: Kind, name: impl ToString, problem: impl Into<String>, target: Target) -> Finding {
    found(Severity::Leak, kind, name, problem, target)
}

fn found(
    severity: Severity,
    kind: Kind,
    name: impl ToString,
    problem: impl Into<String>,
    target: Target,
) -> Finding {
    let fixable = target != Target::Nothing;
    Finding { kind, name: name.to_string(), problem: problem.into(), fixable, severity, target }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

/// All traces of a sandbox that nobody knows.
fn unrecorded(id: &SandboxId, traces: &Traces) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !traces.processes.is_empty() {
        let problem =
            format!("{} run, and no record knows the sandbox", count(traces.processes.len(), "process"));
        findings.push(leak(Kind::Process, id, problem, Target::SandboxProcesses(id.clone())));
    }
    for path in &traces.cgroups {
        findings.push(leak(
            Kind::Cgroup,
            show(path),
            "no record knows its sandbox",
            Target::Cgroup(path.clone()),
        ));
    }
    let trees = [
        (traces.socket, Kind::Socket, format!("run/agents/{id}.sock")),
        (traces.files, Kind::Files, format!("native/pool/sandboxes/{id}")),
        (traces.exec_logs, Kind::ExecLog, format!("serve/exec-logs/{id}")),
    ];
    for (there, kind, path) in trees {
        if there {
            findings.push(leak(
                kind,
                &path,
                "no record knows its sandbox",
                Target::Tree(path.clone().into()),
            ));
        }
    }
    findings
}

/// A sandbox with a record, whose traces do not agree with it.
fn contradictions(world: &World, id: &SandboxId, traces: &Traces, recorded: Recorded) -> Vec<Finding> {
    let mut findings = Vec::new();
    let alive = !traces.processes.is_empty();
    if alive && let Some(slot) = traces.uid_slot.filter(|slot| *slot != recorded.uid_slot) {
        let problem =
            format!("it runs with the user ids of slot {slot}, and its record says {}", recorded.uid_slot);
        findings.push(leak(Kind::UidSlot, id, problem, Target::Nothing));
    }
    if !alive {
        // While the launcher is down nobody could remove them; its next start does.
        let severity = if world.runs(Program::Launcher) { Severity::Leak } else { Severity::Idle };
        for path in &traces.cgroups {
            findings.push(found(
                severity,
                Kind::Cgroup,
                show(path),
                "its sandbox does not run",
                Target::Nothing,
            ));
        }
        if traces.socket {
            let name = format!("run/agents/{id}.sock");
            findings.push(found(severity, Kind::Socket, name, "its sandbox does not run", Target::Nothing));
        }
    }
    findings
}

/// Records of running sandboxes without a process.
fn missing(world: &World, records: &Records) -> Vec<Finding> {
    let dead = |id: &SandboxId| world.sandboxes.get(id).is_none_or(|traces| traces.processes.is_empty());
    let running = records.sandboxes.iter().filter(|(id, recorded)| recorded.running && dead(id));
    // Serve corrects its records when it can see; until then they say what was.
    let sees = world.runs(Program::Serve) && world.runs(Program::Launcher);
    let severity = if sees { Severity::Leak } else { Severity::Idle };
    let problem = "the record says that it runs, and no process does";
    running.map(|(id, _)| found(severity, Kind::Record, id, problem, Target::Nothing)).collect()
}

/// Secrets whose master key is lost: nothing on the host can mend that.
fn unreadable(lost: &LostSecrets) -> Finding {
    let (secrets, environments) = (lost.secrets, lost.environments);
    let problem = format!(
        "{secrets} secrets of {environments} environments are sealed with this master key, which the server does not have: \
         put it back (SECRETS_MASTER_KEY, or serve/keys/master), or set the secrets again"
    );
    leak(Kind::MasterKey, &lost.key, problem, Target::Nothing)
}

/// Two sandboxes that run with the same user ids can touch each other's processes.
fn shared_slots(world: &World) -> Vec<Finding> {
    let mut by_slot: BTreeMap<u32, Vec<&SandboxId>> = BTreeMap::new();
    for (id, traces) in world.sandboxes.iter().filter(|(_, traces)| !traces.processes.is_empty()) {
        if let Some(slot) = traces.uid_slot {
            by_slot.entry(slot).or_default().push(id);
        }
    }
    let shared = by_slot.into_iter().filter(|(_, ids)| ids.len() > 1);
    shared
        .map(|(slot, ids)| {
            let ids: Vec<&str> = ids.into_iter().map(SandboxId::as_str).collect();
            leak(Kind::UidSlot, slot, format!("used by {} at once", ids.join(" and ")), Target::Nothing)
        })
        .collect()
}

/// Parts that no supervisor holds: the kernel should have ended them with it.
fn parts(world: &World) -> Vec<Finding> {
    if world.supervisor.is_some() {
        return Vec::new();
    }
    let name = |program| match program {
        Program::Serve => "serve",
        Program::Launcher => "launcher",
    };
    let finding = |program: Program, process: Process| {
        let name = format!("{} (pid {})", name(program), process.pid);
        leak(Kind::Process, name, "it runs without a supervisor", Target::Processes(vec![process]))
    };
    world.parts.iter().map(|part| finding(part.program, part.process)).collect()
}

fn storage(world: &World, records: &Records) -> Vec<Finding> {
    let mut findings = Vec::new();
    for digest in world.images.difference(&records.images) {
        let path = format!("native/pool/images/{}", digest.as_str());
        findings.push(leak(
            Kind::Image,
            &path,
            "no record knows this image",
            Target::Tree(path.clone().into()),
        ));
    }
    let down = !world.runs(Program::Launcher);
    // With a launcher these are work under way, or about to be collected.
    if down {
        for path in world.unfinished.iter().chain(&world.trash) {
            let problem = "it waits to be collected by the next start";
            findings.push(found(
                Severity::Idle,
                Kind::Files,
                show(path),
                problem,
                Target::Tree(path.clone()),
            ));
        }
    }
    let idle = down && world.supervisor.is_none() && !world.any_alive();
    if let Some(path) = world.pool_mount.as_ref().filter(|_| idle) {
        let problem = "the storage is mounted, and nothing uses it";
        findings.push(found(Severity::Idle, Kind::Mount, show(path), problem, Target::Mount(path.clone())));
    }
    for (nth, device) in world.loop_devices.iter().enumerate() {
        let problem = if device.deleted {
            "its file was deleted"
        } else if nth > 0 {
            "a second device on the same storage: to mount it would destroy the storage"
        } else if world.pool_mount.is_none() && down {
            "the storage is attached, and not mounted"
        } else {
            continue;
        };
        findings.push(leak(
            Kind::LoopDevice,
            show(&device.path),
            problem,
            Target::LoopDevice(device.path.clone()),
        ));
    }
    findings
}

/// Roots of the host image that nothing is made of any more.
fn roots(world: &World) -> Vec<Finding> {
    let alive = || world.sandboxes.values().filter(|traces| !traces.processes.is_empty());
    if alive().any(|traces| traces.root == Root::SomeHost) {
        return Vec::new();
    }
    let used = |name: &str| alive().any(|traces| traces.root == Root::Host(name.to_owned()));
    let stale = world.stale_roots.iter().filter(|name| !used(name));
    let problem = "a root of the host image that no sandbox runs on, and that none will get";
    stale
        .map(|name| {
            let path = PathBuf::from("native/pool").join(name);
            leak(Kind::HostRoot, show(&path), problem, Target::Tree(path.clone()))
        })
        .collect()
}

fn groups(world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    let idle = world.supervisor.is_none() && !world.any_alive();
    for group in &world.groups {
        let target = Target::Cgroup(group.path.clone());
        let (severity, problem, target) = match group.owner {
            GroupOwner::Unknown => (Severity::Leak, "it has no name of ours", target),
            GroupOwner::Trash if !world.runs(Program::Launcher) => {
                (Severity::Idle, "it waits to be collected by the next start", target)
            }
            GroupOwner::Base if idle => {
                (Severity::Idle, "the installation's own group, and nothing uses it", target)
            }
            GroupOwner::Trash | GroupOwner::Base | GroupOwner::Sandbox(_) => continue,
        };
        findings.push(found(severity, Kind::Cgroup, show(&group.path), problem, target));
    }
    findings
}

/// The router and the host's rules belong together, and to sandboxes that live or may be started.
fn networks(world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    let idle = world.supervisor.is_none() && !world.any_alive() && !world.bridges;
    let rules = || "the host's rules for sandboxes' networks";
    match &world.router {
        Some(router) => {
            if idle {
                let problem = "the router of sandboxes' networks, and nothing uses it";
                let target = Target::NamedMount(router.clone());
                findings.push(found(Severity::Idle, Kind::NetworkNamespace, show(router), problem, target));
                if world.host_rules {
                    let problem = "they are loaded, and nothing uses them";
                    let (severity, kind) = (Severity::Idle, Kind::FirewallRules);
                    findings.push(found(severity, kind, rules(), problem, Target::HostRules));
                }
            } else if !world.host_rules {
                let problem =
                    "they are gone, and sandboxes may reach the host; the launcher loads them when it starts";
                findings.push(leak(Kind::FirewallRules, rules(), problem, Target::Nothing));
            }
        }
        None if world.host_rules && !world.bridges => {
            let problem = "they are loaded, and there is no router";
            findings.push(leak(Kind::FirewallRules, rules(), problem, Target::HostRules));
        }
        None => {}
    }
    findings
}

fn odds(world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in &world.stray_mounts {
        let problem = "mounted in the data folder, and not by us";
        findings.push(leak(Kind::Mount, show(path), problem, Target::Mount(path.clone())));
    }
    for path in &world.network_namespaces {
        let problem = "a namespace of this installation that lives by its name alone";
        findings.push(leak(Kind::NetworkNamespace, show(path), problem, Target::NamedMount(path.clone())));
    }
    for path in &world.unknown {
        let target = Target::Tree(PathBuf::from(path));
        findings.push(leak(Kind::Socket, show(path), "it has no name of ours", target));
    }
    if !world.stray_processes.is_empty() {
        let processes: Vec<Process> = world.stray_processes.iter().copied().collect();
        let pids: Vec<String> = processes.iter().map(|process| process.pid.to_string()).collect();
        let problem = "in the installation's control group, and in no sandbox";
        findings.push(leak(
            Kind::Process,
            format!("pid {}", pids.join(", ")),
            problem,
            Target::Processes(processes),
        ));
    }
    findings
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}es") }
}

#[cfg(test)]
mod tests;
