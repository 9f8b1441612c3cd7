//! Control groups of the installation, on version 1 and 2.

use std::path::Path;

use crate::collect::Place;
use crate::collect::mounts::Mount;
use crate::world::{Group, GroupOwner, World};

/// Whose a group is, by its name.
pub(crate) fn owner(name: &str) -> GroupOwner {
    if name.starts_with("trash-") {
        return GroupOwner::Trash;
    }
    let id = name.strip_prefix("sandbox-").or_else(|| name.strip_prefix("agent-"));
    id.and_then(|id| id.parse().ok()).map_or(GroupOwner::Unknown, GroupOwner::Sandbox)
}

pub(crate) fn collect(place: &Place, mounts: &[Mount], world: &mut World) {
    for mount in mounts.iter().filter(|mount| mount.kind == "cgroup" || mount.kind == "cgroup2") {
        collect_base(&mount.point.join(place.group_name()), world);
    }
}

fn collect_base(base: &Path, world: &mut World) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    world.groups.push(Group { path: base.to_path_buf(), owner: GroupOwner::Base });
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        match owner(&entry.file_name().to_string_lossy()) {
            GroupOwner::Sandbox(id) => world.sandboxes.entry(id).or_default().cgroups.push(path),
            owner => world.groups.push(Group { path, owner }),
        }
    }
}
