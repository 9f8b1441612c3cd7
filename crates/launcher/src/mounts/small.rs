//! One file system for all the small folders of a sandbox.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Gid, Mode, Uid, chmodat, chownat, mkdirat};
use rustix::mount::MountAttrFlags;

use super::stage::places;
use super::{PLAIN_READ_ONLY, attach, clone_mount, make_mount, target};
use crate::report::{At, Step, StepError};
use crate::sys;

/// Where devices are.
pub(super) const DEV: &str = "dev";
/// Shown in place of folders that are masked; never anything in it.
const EMPTY: &str = "empty";
/// Where views of groups are attached.
pub(super) const CGROUP: &str = "cgroup";

/// Bounds of what the sandbox's root may put beside its devices.
const SIZE: &str = "64k";
const INODES: &str = "72";

/// A file system in memory, whose folders are shown in several places. Not one for each: for every file system that there is the
/// kernel looks at two lists whenever a group of memory ends, which is milliseconds with a thousand sandboxes of ten each.
#[derive(Debug)]
pub(crate) struct Small(OwnedFd);

impl Small {
    /// Makes it, in the stage of this process before a root lies over that; `first_id` is the host's id of the sandbox's root.
    pub(crate) fn make(first_id: u32) -> Result<Self, StepError> {
        let options = [("size", SIZE), ("nr_inodes", INODES), ("mode", "0700")];
        // The only mount of a sandbox where device nodes work, and nothing in it can make one.
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let mount = make_mount("tmpfs", &options, attributes).at(Step::MakeSmall)?;
        make_folders(&mount, first_id).at(Step::MakeSmall)?;
        // Only what is attached somewhere can be cloned before Linux 6.15.
        target(CWD, places::SMALL).and_then(|place| attach(&mount, place)).at(Step::MakeSmall)?;
        Ok(Self(mount))
    }

    /// A folder of it, attached nowhere yet.
    pub(super) fn folder(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        clone_mount(&self.0, name)
    }

    /// An empty folder, attached nowhere yet.
    pub(super) fn empty(&self) -> rustix::io::Result<OwnedFd> {
        let folder = self.folder(EMPTY)?;
        sys::mount_setattr(&folder, PLAIN_READ_ONLY, None)?;
        Ok(folder)
    }
}

/// The devices' belongs to the sandbox's root, the others to the host's.
fn make_folders(mount: &OwnedFd, first_id: u32) -> rustix::io::Result<()> {
    for (name, mode) in [(DEV, 0o755), (EMPTY, 0o555), (CGROUP, 0o555)] {
        mkdirat(mount, name, Mode::from_raw_mode(mode))?;
        // The mask of whoever started the launcher does not count here.
        chmodat(mount, name, Mode::from_raw_mode(mode), rustix::fs::AtFlags::empty())?;
    }
    let (uid, gid) = (Some(Uid::from_raw(first_id)), Some(Gid::from_raw(first_id)));
    chownat(mount, DEV, uid, gid, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
}
