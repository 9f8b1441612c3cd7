//! Network namespaces: made, entered, and pinned by a name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use atoll_launcher_protocol::uplink_name;
use atoll_types::InstallationId;
use rustix::fs::{CWD, Mode, OFlags, fstatfs, mkdirat, openat, unlinkat};
use rustix::io::{Errno, Result};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::report::{At, Step, StepError, log};
use crate::sys;

/// Where named namespaces are, as `ip netns` has them: `ip netns exec atoll-…` then looks into ours.
const FOLDER: &str = "/run/netns";

/// `f_type` of namespaces' files.
const NAMESPACE_MAGIC: u64 = 0x6E73_6673;

/// The namespace that this process is in.
pub(super) fn current() -> Result<OwnedFd> {
    openat(CWD, "/proc/self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Moves this process into a namespace.
pub(crate) fn enter(namespace: BorrowedFd<'_>) -> Result<()> {
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
}

/// Moves this process into a new namespace.
pub(super) fn enter_new() -> Result<OwnedFd> {
    sys::unshare(UnshareFlags::NEWNET)?;
    current()
}

/// Does something and comes back to the namespace from which it was called, whatever namespace it ends in.
pub(super) fn and_back<T>(
    act: impl FnOnce() -> std::result::Result<T, StepError>,
) -> std::result::Result<T, StepError> {
    let own = current().at(Step::EnterNetwork)?;
    let done = act();
    if let Err(errno) = enter(own.as_fd()) {
        // Everything after this would be done to the wrong network: the next launcher begins in the right one.
        log(&format!("could not come back into the host's network: {errno}"));
        sys::exit_now(70);
    }
    done
}

/// Does something in a namespace.
pub(super) fn inside<T>(
    namespace: BorrowedFd<'_>,
    act: impl FnOnce() -> std::result::Result<T, StepError>,
) -> std::result::Result<T, StepError> {
    and_back(|| {
        enter(namespace).at(Step::EnterNetwork)?;
        act()
    })
}

/// Name on the host of the installation's router, its uplink and its rules.
pub(super) fn name(installation: &InstallationId) -> String {
    uplink_name(installation)
}

fn path(name: &str) -> String {
    format!("{FOLDER}/{name}")
}

/// Opens a pinned namespace; none when there is none.
pub(super) fn open_pinned(name: &str) -> Result<Option<OwnedFd>> {
    match openat(CWD, path(name), OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        // A name that was made, and nothing mounted on it, is none.
        Ok(file) => Ok((u64::try_from(fstatfs(&file)?.f_type) == Ok(NAMESPACE_MAGIC)).then_some(file)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Keeps the namespace that this process is in alive by a name. The last thing that is done to one.
pub(super) fn pin(name: &str) -> Result<()> {
    match mkdirat(CWD, FOLDER, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(openat(CWD, path(name), flags, Mode::empty())?);
    mount_bind("/proc/self/ns/net", path(name))
}

/// Lets a pinned namespace go.
pub(super) fn unpin(name: &str) -> Result<()> {
    match unmount(path(name), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    match unlinkat(CWD, path(name), rustix::fs::AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Lets every user of the namespace that this process is in listen on every port. The right to the low ones would be one over the
/// namespace, which belongs to the host's root and not to the guest's; here there is nobody to keep them from.
///
/// `proc` is a `/proc` of the sandbox's own: in one that all share, the kernel keeps the settings of all namespaces in one row
/// under one name, and looking one up among a thousand takes longer than a millisecond.
pub(crate) fn open_low_ports(proc: impl AsFd) -> Result<()> {
    set_in(proc, "sys/net/ipv4/ip_unprivileged_port_start", "0")
}

/// Sets a setting of the network of the namespace that this process is in; one that the kernel does not have is fine.
pub(super) fn set(setting: &str, value: &str) -> Result<()> {
    set_in(CWD, &format!("/proc/sys/net/{setting}"), value)
}

fn set_in(dir: impl AsFd, path: &str, value: &str) -> Result<()> {
    match openat(dir, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => rustix::io::write(file, value.as_bytes()).map(drop),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}
