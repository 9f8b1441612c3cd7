//! The root: an overlay of the image and the sandbox's own layer, both shown through the id mapping of its user
//! namespace, so that files have ids from 0 on disk whatever range the sandbox has.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use atoll_types::{ImageSource, SandboxId};
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags, fstatvfs, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, fsconfig_create, fsconfig_reconfigure,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick,
};
use rustix::process::{chdir, chroot, fchdir};

use super::stage::places;
use super::{attach, clone_mount, root_target, target};
use crate::house::DIRECTORY;
use crate::report::{At, Step, StepError};
use crate::storage::Storage;
use crate::sys;

/// What the root is made of, cloned while the host's mounts are still in sight.
#[derive(Debug)]
pub(crate) struct Layers {
    lower: OwnedFd,
    layer: OwnedFd,
    /// The host's `/usr` and what belongs to it, with their places in the root.
    usr: Vec<(OwnedFd, String)>,
}

/// Flags of mounts that hold files of sandboxes or images.
const NO_SUID_NO_DEV: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
/// The same for a new mount.
const NO_SUID_NO_DEV_MOUNT: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// Clones the mounts of the image and the layer and puts the id mapping on them. Must be done before the mount
/// namespace is left: mounts of another namespace cannot be cloned.
pub(crate) fn clone_layers(
    storage: &Storage,
    host_image: &str,
    host_binds: &[String],
    sandbox: &SandboxId,
    image: &ImageSource,
    user_namespace: BorrowedFd<'_>,
) -> Result<Layers, StepError> {
    let lower = match image {
        ImageSource::Host => clone_mount(&storage.pool, host_image),
        ImageSource::Unpacked(digest) => clone_mount(&storage.images, &format!("{digest}/rootfs")),
    };
    let lower = lower.at(Step::CloneLower)?;
    sys::mount_setattr(&lower, NO_SUID_NO_DEV | libc::MOUNT_ATTR_RDONLY, Some(user_namespace))
        .at(Step::MapLower)?;

    let layer = clone_mount(&storage.sandboxes, &format!("{sandbox}/layer")).at(Step::CloneLayer)?;
    sys::mount_setattr(&layer, NO_SUID_NO_DEV, Some(user_namespace)).at(Step::MapLayer)?;

    let mut usr = Vec::new();
    if *image == ImageSource::Host {
        for path in host_binds {
            usr.push((clone_usr(path, user_namespace)?, path.clone()));
        }
    }
    Ok(Layers { lower, layer, usr })
}

/// Clones a folder of the host, read-only, with the id mapping where its file system can have one: then the files of
/// the host's root are root's inside too, else nobody's.
fn clone_usr(path: &str, user_namespace: BorrowedFd<'_>) -> Result<OwnedFd, StepError> {
    let flags = NO_SUID_NO_DEV | libc::MOUNT_ATTR_RDONLY;
    let clone = clone_mount(CWD, path).at(Step::CloneUsr)?;
    match sys::mount_setattr(&clone, flags, Some(user_namespace)) {
        Err(Errno::INVAL | Errno::PERM) => sys::mount_setattr(&clone, flags, None).at(Step::CloneUsr)?,
        other => other.at(Step::CloneUsr)?,
    }
    Ok(clone)
}

/// Mounts the overlay of the root, in a stage of this process's own; `first_id` is the host's id of the sandbox's root. Gives back
/// the root's mount.
pub(crate) fn mount_root(layers: &Layers, first_id: u32) -> Result<OwnedFd, StepError> {
    // The overlay finds its layers by path, so they are attached.
    for (mount, place) in [(&layers.lower, places::LOWER), (&layers.layer, places::LAYER)] {
        attach_layer(mount, place)?;
    }
    let context = configure_overlay(&ROOT_OPTIONS).at(Step::ConfigureRoot)?;
    // No fsync reaches the disk while it runs, and its end does not write back the whole file system; what is lost is
    // only what a crash of the host loses, and that is marked.
    fsconfig_set_flag(&context, "volatile").at(Step::ConfigureRoot)?;
    // The kernel makes the overlay's working folders as whoever mounts it. Root of the host has no id in the
    // layers' mapping: the overlay would fall back to read-only without an error. So the sandbox's root mounts it,
    // with all capabilities of the host's.
    as_guest(first_id, || fsconfig_create(&context).at(Step::MountRoot))?;
    let root = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, NO_SUID_NO_DEV_MOUNT).at(Step::MountRoot)?;
    if fstatvfs(&root).at(Step::RootReadOnly)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(StepError { step: Step::RootReadOnly, errno: Errno::ROFS });
    }
    Ok(root)
}

/// Attaches a layer where an overlay that is made next finds it.
fn attach_layer(mount: &OwnedFd, place: &str) -> Result<(), StepError> {
    target(CWD, place).and_then(|place| attach(mount, place)).at(Step::AttachLayers)
}

/// Folders of the image can be renamed, and nothing else of what an image may have set is believed.
const ROOT_OPTIONS: [(&str, &str); 8] = [
    ("source", "sandbox"),
    ("lowerdir", places::LOWER),
    ("upperdir", places::UPPER),
    ("workdir", places::WORK),
    ("redirect_dir", "on"),
    ("metacopy", "off"),
    ("index", "off"),
    ("xino", "off"),
];

fn configure_overlay(options: &[(&str, &str)]) -> rustix::io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(&context, *key, *value)?;
    }
    Ok(context)
}

/// Mounts an overlay over each folder of the host, attached nowhere yet; after [`mount_root`], in its namespace.
///
/// Not the folder itself: watches (`inotify`) and locks (`flock`) are on inodes, and those of a folder that is only mounted
/// are the host's and every other sandbox's too. An overlay has its own. It keeps the names that it has looked up, so an upgrade
/// on the host is seen only in part, until [`refresh_usr`].
pub(crate) fn mount_usr(layers: &Layers, first_id: u32) -> Result<Vec<(OwnedFd, String)>, StepError> {
    let one = |(mount, path): &(OwnedFd, String)| {
        attach_layer(mount, places::USR)?;
        let context = configure_overlay(&USR_OPTIONS).at(Step::OverlayUsr)?;
        as_guest(first_id, || fsconfig_create(&context).at(Step::OverlayUsr))?;
        let attributes = NO_SUID_NO_DEV_MOUNT.union(MountAttrFlags::MOUNT_ATTR_RDONLY);
        let overlay = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).at(Step::OverlayUsr)?;
        Ok((overlay, path.clone()))
    };
    layers.usr.iter().map(one).collect()
}

/// Lets an overlay of the host's `/usr` forget the names that it has looked up, so that it sees what is there now. What is in use
/// stays: a program that runs keeps its files.
pub(crate) fn refresh_usr(usr: &OwnedFd) -> rustix::io::Result<()> {
    let context = fspick(usr, "", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC)?;
    match fsconfig_reconfigure(&context) {
        // Nothing is asked to be changed. The kernel drops the names first; then it would make the overlay writable, which it
        // cannot be.
        Ok(()) | Err(Errno::ROFS) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The kernel wants two layers where there is none to write to: the second has nothing in it.
const USR_OPTIONS: [(&str, &str); 6] = [
    ("source", "usr"),
    ("lowerdir", places::USR_AND_EMPTY),
    ("redirect_dir", "nofollow"),
    ("metacopy", "off"),
    ("index", "off"),
    ("xino", "off"),
];

/// Does something as the sandbox's root as far as files go, with the capabilities of the host's.
pub(super) fn as_guest<T>(first_id: u32, act: impl FnOnce() -> Result<T, StepError>) -> Result<T, StepError> {
    use rustix::thread::{CapabilitiesSecureBits, set_capabilities_secure_bits};
    // Without this the kernel takes the capabilities away with the uid.
    set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP).at(Step::SetFsIds)?;
    sys::set_fs_ids(first_id, first_id).at(Step::SetFsIds)?;
    let done = act();
    sys::set_fs_ids(0, 0).at(Step::SetFsIds)?;
    set_capabilities_secure_bits(CapabilitiesSecureBits::empty()).at(Step::SetFsIds)?;
    done
}

/// Makes the mount the root of this process and of its stage, over which it lies.
///
/// Not `pivot_root`: for that the kernel looks at every process of the host, a millisecond with a thousand sandboxes. It has nothing
/// to turn out either. What was attached in the stage stays there out of sight: it is what the overlays keep anyway, no path leads
/// beneath the root of a namespace, and for a detachment the kernel waits for all processors (half a millisecond).
pub(crate) fn enter_root(root: &OwnedFd) -> Result<(), StepError> {
    target(CWD, ".").and_then(|place| attach(root, place)).at(Step::AttachRoot)?;
    fchdir(root).at(Step::AttachRoot)?;
    chroot(".").and_then(|()| chdir("/")).at(Step::ChangeRoot)
}

/// Attaches the host's `/usr`; `/usr/local` stays the sandbox's own and writable.
pub(crate) fn attach_usr(usr: &[(OwnedFd, String)], first_id: u32) -> Result<(), StepError> {
    for (mount, path) in usr {
        let name = path.trim_start_matches('/');
        let place = as_guest(first_id, || root_target(name).at(Step::MountUsr))?;
        let local = if name == "usr" { Some(clone_mount(&place, "local").at(Step::MountUsr)?) } else { None };
        attach(mount, &place).at(Step::MountUsr)?;
        if let Some(local) = local {
            target(CWD, "usr/local").and_then(|place| attach(local, place)).at(Step::MountUsr)?;
        }
    }
    Ok(())
}

/// Makes the root read-only, with writable `/tmp` and `/run` in memory.
pub(crate) fn protect_root(first_id: u32, memory_bytes: u64) -> Result<(), StepError> {
    let owner = first_id.to_string();
    for (name, mode) in [("tmp", "1777"), ("run", "0755")] {
        let size = (memory_bytes / 2).to_string();
        let options =
            [("source", "tmpfs"), ("mode", mode), ("size", &size), ("uid", &owner), ("gid", &owner)];
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let mount = super::make_mount("tmpfs", &options, attributes).at(Step::ProtectRoot)?;
        let place = as_guest(first_id, || root_target(name).at(Step::ProtectRoot))?;
        attach(mount, place).at(Step::ProtectRoot)?;
    }
    let root = openat(CWD, "/", DIRECTORY | OFlags::PATH, Mode::empty()).at(Step::ProtectRoot)?;
    sys::mount_setattr(root.as_fd(), libc::MOUNT_ATTR_RDONLY, None).at(Step::ProtectRoot)?;
    // In the host image /usr/local is a mount of its own, see `attach_usr`; elsewhere it is no mount's root.
    match target(CWD, "usr/local").and_then(|local| sys::mount_setattr(local, libc::MOUNT_ATTR_RDONLY, None))
    {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::LOOP) => Ok(()),
        Err(errno) => Err(StepError { step: Step::ProtectRoot, errno }),
    }
}

/// The root, writable where the sandbox's will not be: for the files that the launcher writes. Attached nowhere; gone with
/// its descriptor, for which the kernel makes whoever closes it wait for all processors (half a millisecond).
pub(crate) fn clone_root(root: &OwnedFd) -> Result<OwnedFd, StepError> {
    clone_mount(root, "").at(Step::GuestFiles)
}

/// Clones a folder of the pool through the id mapping, writable or not.
pub(crate) fn clone_mapped(
    folder: &OwnedFd,
    user_namespace: BorrowedFd<'_>,
    read_only: bool,
) -> Result<OwnedFd, StepError> {
    let clone = clone_mount(folder, "").at(Step::CloneLower)?;
    let read_only = if read_only { libc::MOUNT_ATTR_RDONLY } else { 0 };
    sys::mount_setattr(&clone, NO_SUID_NO_DEV | libc::MOUNT_ATTR_NOEXEC | read_only, Some(user_namespace))
        .at(Step::MapLower)?;
    Ok(clone)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
    use rustix::thread::UnshareFlags;

    use super::*;

    fn mount_memory(on: &Path, file: &str) {
        mount("none", on, "tmpfs", MountFlags::empty(), None).unwrap();
        std::fs::write(on.join(file), "").unwrap();
    }

    /// Most hosts share their mounts, and a clone of one would go on sharing.
    #[test]
    fn what_comes_to_the_host_later_does_not_come_to_a_clone() {
        if !rustix::process::geteuid().is_root() {
            return eprintln!("not tested: this needs root");
        }
        // The namespace is this thread's, and ends with it.
        sys::unshare(UnshareFlags::NEWNS).unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        let (host, stage) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        mount_memory(host.path(), "before");
        mount_change(host.path(), MountPropagationFlags::SHARED).unwrap();
        std::fs::create_dir(host.path().join("folder")).unwrap();

        let folder = rustix::fs::open(host.path(), DIRECTORY, Mode::empty()).unwrap();
        let clone = clone_mount(&folder, "").unwrap();
        sys::mount_setattr(&clone, libc::MOUNT_ATTR_RDONLY, None).unwrap();
        let place = rustix::fs::open(stage.path(), DIRECTORY | OFlags::PATH, Mode::empty()).unwrap();
        attach(&clone, place).unwrap();
        mount_memory(&host.path().join("folder"), "later");

        let inside = |name| Path::new("/proc/self/fd").join(clone.as_raw_fd().to_string()).join(name);
        assert!(inside("before").exists() && inside("folder").exists());
        assert!(!inside("folder/later").exists(), "it is the host's peer");
        // And the other way round.
        mount_memory(&inside("folder"), "own");
        assert!(!host.path().join("folder/own").exists(), "the host is its peer");
        drop((folder, clone));
        for path in [&stage.path().join("folder"), stage.path(), &host.path().join("folder"), host.path()] {
            unmount(path, UnmountFlags::DETACH).unwrap();
        }
    }
}
