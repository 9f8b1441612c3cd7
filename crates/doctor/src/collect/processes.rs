//! Processes in the installation's control groups.

use std::io;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use atoll_launcher_protocol::{UID_BASE, UID_SLOTS, UIDS_PER_SANDBOX};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::collect::{Place, cgroups};
use crate::world::{GroupOwner, Process, World};

/// Longest file of `/proc` that is read, in bytes: a process has some twenty groups, each with a short path.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Reads a file of a process; none when it has gone.
pub(crate) fn read(pid: i32, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(format!("/proc/{pid}/{name}"))
        .ok()?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// State letter and start time.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    // The name in brackets is the process's own choice and may hold spaces and brackets; the rest holds none.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Who has this number now; none for one that is dead and only not yet reaped.
pub(crate) fn identity(pid: i32) -> Option<Process> {
    let stat = read(pid, "stat")?;
    let (state, start_time) = parse_stat(&String::from_utf8_lossy(&stat))?;
    (!matches!(state, 'Z' | 'X')).then_some(Process { pid, start_time })
}

/// The user of a process, in the host's ids.
fn uid(pid: i32) -> Option<u32> {
    let status = read(pid, "status")?;
    parse_uid(&String::from_utf8_lossy(&status))
}

fn parse_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether an id is of the range behind the last sandbox's.
fn is_unpackers(uid: u32) -> bool {
    uid.checked_sub(UID_BASE).is_some_and(|offset| offset / UIDS_PER_SANDBOX == UID_SLOTS)
}

/// Opens a process, if it is still the same.
pub(crate) fn pidfd(process: Process) -> Option<OwnedFd> {
    // First the descriptor, then the look: a number that is used again in between has another start time.
    let fd = pidfd_open(Pid::from_raw(process.pid)?, PidfdFlags::empty()).ok()?;
    (identity(process.pid)? == process).then_some(fd)
}

/// Numbers of all processes.
pub(crate) fn all() -> io::Result<impl Iterator<Item = i32>> {
    let entries = std::fs::read_dir("/proc")?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

/// The owner that the groups of a process say, most precise first; none where no group is ours.
fn owner(text: &str, base: &str) -> Option<GroupOwner> {
    let mut found = None;
    for line in text.lines() {
        // Number, controllers, path; the path may hold colons.
        let Some(path) = line.splitn(3, ':').nth(2) else { continue };
        let mut names = path.split('/').skip_while(|name| *name != base);
        if names.next().is_none() {
            continue;
        }
        match names.next().map(cgroups::owner) {
            Some(GroupOwner::Sandbox(id)) => return Some(GroupOwner::Sandbox(id)),
            Some(owner) => found = Some(owner),
            None => found = found.or(Some(GroupOwner::Base)),
        }
    }
    found
}

pub(crate) fn collect(place: &Place, world: &mut World) -> io::Result<()> {
    let base = place.group_name();
    for pid in all()? {
        let Some(text) = read(pid, "cgroup") else { continue };
        let Some(owner) = owner(&String::from_utf8_lossy(&text), &base) else { continue };
        let Some(process) = identity(pid) else { continue };
        match owner {
            GroupOwner::Sandbox(id) => {
                let traces = world.sandboxes.entry(id).or_default();
                traces.processes.insert(process);
                traces.unpacker |= uid(pid).is_some_and(is_unpackers);
            }
            GroupOwner::Trash | GroupOwner::Base | GroupOwner::Unknown => {
                world.stray_processes.insert(process);
            }
        }
    }
    // One that is known by its sandbox's state file is no stray, though it may be between two groups.
    let known = world.sandboxes.values().flat_map(|traces| &traces.processes).copied().collect();
    world.stray_processes = &world.stray_processes - &known;
    Ok(())
}

#[cfg(test)]
mod tests {
    use atoll_types::SandboxId;

    use super::*;

    #[test]
    fn the_most_precise_group_says_whose_a_process_is() {
        let id = SandboxId::random();
        let agent = format!(
            "9:cpu:/atoll-x/\n8:memory:/atoll-x/agent-{id}\n7:pids:/atoll-x\n1:name=systemd:/\n0::/\n"
        );
        assert_eq!(owner(&agent, "atoll-x"), Some(GroupOwner::Sandbox(id.clone())));
        assert_eq!(
            owner(&format!("0::/user/atoll-x/sandbox-{id}/workload"), "atoll-x"),
            Some(GroupOwner::Sandbox(id))
        );
        assert_eq!(owner("4:cpu:/atoll-x\n", "atoll-x"), Some(GroupOwner::Base));
        assert_eq!(owner("4:memory:/atoll-x/trash-1\n", "atoll-x"), Some(GroupOwner::Trash));
        assert_eq!(owner("4:cpu:/atoll-xy/sandbox-0\n0::/\n", "atoll-x"), None);
    }

    #[test]
    fn the_unpacker_is_known_by_its_user() {
        let last = UID_BASE + UID_SLOTS * UIDS_PER_SANDBOX;
        assert!(is_unpackers(last) && is_unpackers(last + 65_535));
        assert!(!is_unpackers(last - 1) && !is_unpackers(last + 65_536) && !is_unpackers(0));
        assert_eq!(parse_uid("Name:\tx\nUid:\t7\t8\t8\t8\nGid:\t9\t9\t9\t9\n"), Some(7));
    }

    #[test]
    fn a_process_is_only_itself() {
        let own = identity(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(pidfd(own).is_some());
        assert!(pidfd(Process { start_time: own.start_time + 1, ..own }).is_none());
        assert_eq!(
            parse_stat("7 (a) Z 2) S 1 7 7 0 -1 4 1 0 0 0 0 0 0 0 20 0 1 0 123 1 1 1"),
            Some(('S', 123))
        );
    }
}
