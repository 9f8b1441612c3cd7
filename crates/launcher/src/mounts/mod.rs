//! What a sandbox sees: its root and the kernel's file systems in it.
//!
//! Mounts are made detached, by descriptor, and attached to a folder that was opened beneath the new root without
//! following links: an image may hold a link where a folder is expected.

mod cgroup_view;
mod dev;
mod proc;
mod root;
mod small;
mod stage;

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::{Errno, Result};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

pub(crate) use cgroup_view::{clone_cgroup_views, mount_cgroup_views};
pub(crate) use dev::mount_dev;
pub(crate) use proc::{make_sys, mount_proc, mount_sys};
pub(crate) use root::{
    attach_usr, clone_layers, clone_mapped, clone_root, enter_root, mount_root, mount_usr, protect_root,
    refresh_usr,
};
pub(crate) use small::Small;
pub(crate) use stage::{enter_stage, make_stage};

/// Restrictions of a mount that holds no programs.
const PLAIN: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// The same of one that nobody may change, for a mount that is there.
const PLAIN_READ_ONLY: u64 =
    libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;

/// Makes a file system of the kernel's, attached nowhere yet.
fn make_mount(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(&context, *key, *value)?;
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Copies the one mount that a path is in, from that path down, attached nowhere yet.
fn clone_mount(dir: impl AsFd, path: &str) -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    if path.is_empty() {
        open_tree(dir, "", flags | OpenTreeFlags::AT_EMPTY_PATH)
    } else {
        open_tree(dir, path, flags)
    }
}

/// Attaches a detached mount to an opened folder or file.
fn attach(mount: impl AsFd, target: impl AsFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags)
}

/// Opens a path as a place to attach something to. No link of any kind is followed.
fn target(dir: impl AsFd, path: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::BENEATH;
    openat2(dir, path, flags, Mode::empty(), resolve)
}

/// Opens a folder directly in the root, made where it is missing, as a place to attach something to. The working folder
/// must be the root.
fn root_target(name: &str) -> Result<OwnedFd> {
    match target(CWD, name) {
        Err(Errno::NOENT) => {
            mkdirat(CWD, name, Mode::from_raw_mode(0o755))?;
            target(CWD, name)
        }
        other => other,
    }
}
