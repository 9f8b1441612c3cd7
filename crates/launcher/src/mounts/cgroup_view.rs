//! `/sys/fs/cgroup`: the sandbox's own limits, read-only, where Node, Java and Go look for them.

use rustix::fs::{CWD, Mode, mkdirat};

use super::small::{self, Small};
use super::{PLAIN_READ_ONLY, attach, clone_mount, target};
use crate::cgroup::View;
use crate::report::{At, Step, StepError};
use crate::sys;

/// Where the kernel expects control groups.
const PLACE: &str = "sys/fs/cgroup";

/// A view, cloned while the host's mounts are in sight.
#[derive(Debug)]
pub(crate) struct ClonedView {
    name: String,
    mount: std::os::fd::OwnedFd,
}

/// Clones the views of the workload's groups. Must be done before the mount namespace is left.
pub(crate) fn clone_cgroup_views(views: Vec<View>) -> Result<Vec<ClonedView>, StepError> {
    let clone = |view: View| {
        let mount = clone_mount(&view.dir, "").at(Step::MountCgroupView)?;
        sys::mount_setattr(&mount, PLAIN_READ_ONLY, None).at(Step::MountCgroupView)?;
        Ok(ClonedView { name: view.name, mount })
    };
    views.into_iter().map(clone).collect()
}

/// Attaches the views under `/sys/fs/cgroup`.
pub(crate) fn mount_cgroup_views(small: &Small, views: &[ClonedView]) -> Result<(), StepError> {
    let place = target(CWD, PLACE).at(Step::MountCgroupView)?;
    // Version 2 is one folder.
    if let [view] = views
        && view.name.is_empty()
    {
        return attach(&view.mount, place).at(Step::MountCgroupView);
    }
    let top = small.folder(small::CGROUP).at(Step::MountCgroupView)?;
    for view in views {
        mkdirat(&top, &*view.name, Mode::from_raw_mode(0o555)).at(Step::MountCgroupView)?;
    }
    sys::mount_setattr(&top, PLAIN_READ_ONLY, None).at(Step::MountCgroupView)?;
    attach(&top, place).at(Step::MountCgroupView)?;
    for view in views {
        let place = target(&top, &view.name).at(Step::MountCgroupView)?;
        attach(&view.mount, place).at(Step::MountCgroupView)?;
    }
    Ok(())
}
