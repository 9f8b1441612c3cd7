//! `/proc` and `/sys` of the sandbox's own namespaces, with what tells about the host or changes it taken away.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::root::as_guest;
use super::small::Small;
use super::{PLAIN, PLAIN_READ_ONLY, attach, clone_mount, make_mount, root_target, target};
use crate::report::{At, Step, StepError};
use crate::{net, sys};

/// Files that are shown empty: memory, keys and timers of the whole host.
const MASKED_FILES: [&str; 9] = [
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/key-users",
    "proc/latency_stats",
    "proc/sched_debug",
    "proc/timer_list",
    "proc/timer_stats",
    "proc/kallsyms",
];

/// Folders that are shown empty: hardware of the host.
const MASKED_FOLDERS: [&str; 6] = [
    "proc/acpi",
    "proc/asound",
    "proc/scsi",
    "proc/dynamic_debug",
    "sys/firmware",
    "sys/devices/virtual/powercap",
];

/// What may be read but not written: settings of the whole host.
const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

/// Mounts `/proc`. Must be done by a process of the sandbox's own PID and network namespaces. Needs `/dev/null`.
pub(crate) fn mount_proc(first_id: u32) -> Result<(), StepError> {
    let proc = make_mount("proc", &[], PLAIN).at(Step::MountProc)?;
    net::open_low_ports(&proc).at(Step::EnterNetwork)?;
    let place = as_guest(first_id, || root_target("proc").at(Step::MountProc))?;
    attach(proc, place).at(Step::MountProc)
}

/// Makes the `/sys` of the network namespace that this process is in, whose devices it shows; attached nowhere.
pub(crate) fn make_sys() -> Result<OwnedFd, StepError> {
    make_mount("sysfs", &[], PLAIN | MountAttrFlags::MOUNT_ATTR_RDONLY).at(Step::MountSys)
}

/// Mounts the sandbox's `/sys`, and masks paths of `/proc` and `/sys`.
pub(crate) fn mount_sys(small: &Small, sys: impl AsFd, first_id: u32) -> Result<(), StepError> {
    let place = as_guest(first_id, || root_target("sys").at(Step::MountSys))?;
    attach(sys, place).at(Step::MountSys)?;
    mask(small).at(Step::MaskPath)
}

fn mask(small: &Small) -> rustix::io::Result<()> {
    for path in READ_ONLY {
        if let Some(place) = existing(path)? {
            let clone = clone_mount(&place, "")?;
            sys::mount_setattr(&clone, PLAIN_READ_ONLY, None)?;
            attach(clone, place)?;
        }
    }
    for path in MASKED_FILES {
        if let Some(place) = existing(path)? {
            attach(clone_mount(CWD, "dev/null")?, place)?;
        }
    }
    for path in MASKED_FOLDERS {
        if let Some(place) = existing(path)? {
            attach(small.empty()?, place)?;
        }
    }
    Ok(())
}

/// Opens a path of the kernel's, which this kernel may not have.
fn existing(path: &str) -> rustix::io::Result<Option<OwnedFd>> {
    match target(CWD, path) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
