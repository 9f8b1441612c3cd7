//! Where this host mounts its cgroup hierarchies, from `/proc/self/mountinfo`.

use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

use super::Cgroups;
use super::dir::Dir;
use super::v1::{Controller, Hierarchy, V1};
use super::v2::{CONTROLLERS, V2};
use crate::house::DIRECTORY;
use crate::report::{At, Step, StepError};

/// Finds the hierarchies and makes the installation's group (`name`) in each. Version 1 is taken where its memory
/// controller is mounted, since a controller is in one version only.
pub(crate) fn find(name: &str) -> Result<Box<dyn Cgroups>, StepError> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").at(Step::FindCgroups)?;
    let mut v1: Vec<(Controller, PathBuf)> = Controller::NEEDED
        .into_iter()
        .filter_map(|controller| Some((controller, find_v1(&mounts, controller.as_str())?)))
        .collect();
    if v1.len() == Controller::NEEDED.len() {
        let counting = find_v1(&mounts, Controller::CpuAccounting.as_str());
        let own = counting.filter(|path| v1.iter().all(|(_, other)| other != path));
        v1.extend(own.map(|path| (Controller::CpuAccounting, path)));
        let hierarchies: Result<Vec<_>, _> = v1.iter().map(|(c, path)| hierarchy(*c, path, name)).collect();
        return Ok(Box::new(V1 { hierarchies: hierarchies? }));
    }
    let root = find_v2(&mounts).ok_or(StepError { step: Step::FindCgroups, errno: Errno::NOENT })?;
    let root = Dir::new(rustix::fs::open(&root, DIRECTORY, Mode::empty()).at(Step::FindCgroups)?);
    root.set("cgroup.subtree_control", CONTROLLERS).at(Step::FindCgroups)?;
    root.make(name).at(Step::MakeCgroup)?;
    root.set(&format!("{name}/cgroup.subtree_control"), CONTROLLERS).at(Step::LimitCgroup)?;
    Ok(Box::new(V2 { base: Dir::new(root.open(name).at(Step::FindCgroups)?) }))
}

fn hierarchy(controller: Controller, path: &Path, name: &str) -> Result<Hierarchy, StepError> {
    let root = Dir::new(rustix::fs::open(path, DIRECTORY, Mode::empty()).at(Step::FindCgroups)?);
    root.make(name).at(Step::MakeCgroup)?;
    let shown = path.file_name().and_then(|name| name.to_str()).unwrap_or(controller.as_str());
    Ok(Hierarchy {
        controller,
        name: shown.to_owned(),
        base: Dir::new(root.open(name).at(Step::FindCgroups)?),
    })
}

/// The fields that count of each line: mount point, file system type, options of the file system.
fn lines(mounts: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    mounts.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, _source, options) = (right.next()?, right.next()?, right.next()?);
        Some((left.split(' ').nth(4)?, kind, options))
    })
}

fn find_v1(mounts: &str, controller: &str) -> Option<PathBuf> {
    let mut found = lines(mounts)
        .filter(|(_, kind, options)| *kind == "cgroup" && options.split(',').any(|o| o == controller));
    found.next().map(|(path, ..)| PathBuf::from(path))
}

fn find_v2(mounts: &str) -> Option<PathBuf> {
    lines(mounts).find(|(_, kind, _)| *kind == "cgroup2").map(|(path, ..)| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";

    #[test]
    fn hierarchies_are_found_by_their_options() {
        assert_eq!(find_v1(HYBRID, "cpu"), Some(PathBuf::from("/sys/fs/cgroup/cpu,cpuacct")));
        assert_eq!(find_v1(HYBRID, "memory"), Some(PathBuf::from("/sys/fs/cgroup/memory")));
        assert_eq!(find_v1(HYBRID, "freezer"), None);
        assert_eq!(find_v2(HYBRID), Some(PathBuf::from("/sys/fs/cgroup/unified")));
    }
}
