//! A `/dev` of the sandbox's own: the harmless devices, terminals, shared memory.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Gid, Mode, Uid, chmodat, chownat, makedev, mkdirat, mknodat, symlinkat};
use rustix::mount::MountAttrFlags;

use super::root::as_guest;
use super::small::{self, Small};
use super::{PLAIN, attach, make_mount, root_target, target};
use crate::report::{At, Step, StepError};

/// Devices with their numbers, the same on every Linux.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links that programs expect.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// Group of terminals inside, as every distribution has it.
const TTY_GROUP: u32 = 5;

/// Terminals of one sandbox. The kernel has 3,072 for all that are not the host's own: without this, one sandbox takes all.
const TERMINALS_MAX: &str = "64";

/// Mounts `/dev`; `first_id` is the host's id of the sandbox's root. Shared memory counts as the sandbox's memory; its
/// size only keeps one file from taking all of it.
pub(crate) fn mount_dev(small: &Small, first_id: u32, memory_bytes: u64) -> Result<(), StepError> {
    let owner = first_id.to_string();
    let dev = small.folder(small::DEV).at(Step::MountDev)?;
    fill(&dev, first_id).at(Step::MakeDevice)?;
    let place = as_guest(first_id, || root_target("dev").at(Step::MountDev))?;
    attach(&dev, place).at(Step::MountDev)?;

    let tty = (first_id + TTY_GROUP).to_string();
    let options = [("ptmxmode", "0666"), ("mode", "0620"), ("gid", &*tty), ("max", TERMINALS_MAX)];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let terminals = make_mount("devpts", &options, attributes).at(Step::MountDev)?;
    target(&dev, "pts").and_then(|place| attach(terminals, place)).at(Step::MountDev)?;

    let size = (memory_bytes / 2).to_string();
    let options = [("mode", "1777"), ("size", &*size), ("uid", &owner), ("gid", &owner)];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let shared = make_mount("tmpfs", &options, attributes).at(Step::MountDev)?;
    target(&dev, "shm").and_then(|place| attach(shared, place)).at(Step::MountDev)?;

    let queues = make_mount("mqueue", &[], PLAIN).at(Step::MountDev)?;
    target(CWD, "dev/mqueue").and_then(|place| attach(queues, place)).at(Step::MountDev)
}

fn fill(dev: &OwnedFd, first_id: u32) -> rustix::io::Result<()> {
    let (uid, gid) = (Some(Uid::from_raw(first_id)), Some(Gid::from_raw(first_id)));
    for (name, major, minor) in DEVICES {
        mknodat(dev, name, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(major, minor))?;
        // The mask of whoever started the launcher does not count here.
        chmodat(dev, name, Mode::from_raw_mode(0o666), rustix::fs::AtFlags::empty())?;
        chownat(dev, name, uid, gid, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
    }
    for (target, name) in LINKS {
        symlinkat(target, dev, name)?;
    }
    for name in ["pts", "shm", "mqueue"] {
        mkdirat(dev, name, Mode::from_raw_mode(0o755))?;
    }
    Ok(())
}
