//! The stage: a mount namespace with nothing of the host's in it, made once. Every child goes to a copy of it and puts its root
//! there, so nobody copies the host's mounts only to drop them.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{fchdir, pivot_root};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::{PLAIN, PLAIN_READ_ONLY, attach, clone_mount, make_mount, target};
use crate::house::{self, House};
use crate::report::{At, Step, StepError};
use crate::{holder, sys};

/// Names in the stage: what a child attaches where before it makes its root, which then lies over all of it.
pub(super) mod places {
    /// The image.
    pub(crate) const LOWER: &str = "lower";
    /// The writable layer.
    pub(crate) const LAYER: &str = "layer";
    /// Folders of the writable layer.
    pub(crate) const UPPER: &str = "layer/upper";
    pub(crate) const WORK: &str = "layer/work";
    /// A folder of the host.
    pub(crate) const USR: &str = "usr";
    /// Never anything. Of the data folder's file system, which mostly is that of `/usr` too: the numbers of files in an overlay depend
    /// on whether its layers are of one.
    pub(crate) const EMPTY: &str = "empty";
    /// Both as layers of an overlay.
    pub(crate) const USR_AND_EMPTY: &str = "usr:empty";
    /// See [`Small`](super::super::small::Small).
    pub(crate) const SMALL: &str = "small";
    /// Each of them.
    pub(crate) const ALL: [&str; 5] = [LOWER, LAYER, USR, EMPTY, SMALL];
}

/// Bounds of the stage's file system, which holds a few empty folders.
const OPTIONS: [(&str, &str); 3] = [("size", "4k"), ("nr_inodes", "16"), ("mode", "0700")];

/// Makes the stage, which lives as long as its descriptor.
pub(crate) fn make_stage(house: &House) -> Result<OwnedFd, StepError> {
    holder::open_held(
        Step::MakeStage,
        || build(house),
        |pid| {
            let path = format!("/proc/{}/ns/mnt", pid.as_raw_nonzero());
            openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).at(Step::MakeStage)
        },
    )
}

/// Turns the mount namespace of this process into the stage.
fn build(house: &House) -> Result<(), StepError> {
    // The working folder follows into the new mount namespace; descriptors of folders do not.
    fchdir(&house.mounts).at(Step::MakeStage)?;
    sys::unshare(UnshareFlags::NEWNS).at(Step::NewNamespaces)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).at(Step::PrivateMounts)?;
    let mount = make_mount("tmpfs", &OPTIONS, PLAIN).at(Step::MakeStage)?;
    for name in places::ALL {
        mkdirat(&mount, name, Mode::from_raw_mode(0o700)).at(Step::MakeStage)?;
    }
    sys::mount_setattr(&mount, PLAIN_READ_ONLY, None).at(Step::MakeStage)?;
    let empty = clone_mount(CWD, house::EMPTY).at(Step::MakeStage)?;
    sys::mount_setattr(&empty, PLAIN_READ_ONLY, None).at(Step::MakeStage)?;
    target(CWD, ".").and_then(|place| attach(&mount, place)).at(Step::MakeStage)?;
    target(&mount, places::EMPTY).and_then(|place| attach(empty, place)).at(Step::MakeStage)?;

    fchdir(&mount).at(Step::MakeStage)?;
    // Old and new root in one place: the old one is then beneath "." and is let go of there.
    pivot_root(".", ".").at(Step::MakeStage)?;
    unmount(".", UnmountFlags::DETACH).at(Step::DetachHost)
}

/// Moves this process to a copy of the stage, its working folder the stage's root, and into new namespaces of other kinds. What it has
/// of the host's mounts are detached clones from here on.
pub(crate) fn enter_stage(stage: impl AsFd, others: UnshareFlags) -> Result<(), StepError> {
    move_into_link_name_space(stage.as_fd(), Some(LinkNameSpaceType::Mount)).at(Step::EnterStage)?;
    sys::unshare(UnshareFlags::NEWNS | others).at(Step::NewNamespaces)
}
