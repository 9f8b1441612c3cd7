//! User namespaces, one for each range of host uids.
//!
//! The namespace belongs to the first uid of its own range, not to root: the kernel counts inotify watches, pending
//! signals and the like against the owner of the namespace too, and one sandbox must not use up another's.
//! A namespace is nothing but a mapping, so it is kept and used again for the same range.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use atoll_launcher_protocol::{UID_BASE, UIDS_PER_SANDBOX};
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CapabilitiesSecureBits, UnshareFlags};

use crate::report::{At, Step, StepError};
use crate::{holder, sys};

/// Namespaces that are kept. Those of sandboxes that are up live on in them; what is kept is for the next start with the same
/// range, mostly one that has just become free. Each is a descriptor that every child copies and closes again.
const KEPT_MAX: usize = 64;

/// First host id of a slot. Unlike the protocol's, it also knows the launcher's own slot behind the last.
pub(crate) const fn first_id(slot: u32) -> u32 {
    UID_BASE + slot * UIDS_PER_SANDBOX
}

/// Namespaces of slots, the one used last at the end.
#[derive(Debug, Default)]
pub(crate) struct UserNamespaces {
    kept: VecDeque<(u32, OwnedFd)>,
}

impl UserNamespaces {
    /// The namespace of a slot, made where it is missing.
    pub(crate) fn get(&mut self, slot: u32) -> Result<BorrowedFd<'_>, StepError> {
        let kept = self.kept.iter().position(|(kept, _)| *kept == slot);
        let namespace = match kept.and_then(|place| self.kept.remove(place)) {
            Some((_, namespace)) => namespace,
            None => make(first_id(slot))?,
        };
        if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((slot, namespace));
        let (_, last) =
            self.kept.back().ok_or(StepError { step: Step::MakeUserNamespace, errno: Errno::NOENT })?;
        Ok(last.as_fd())
    }
}

/// Makes a namespace that maps 65,536 ids from `first` on to 0 and up.
fn make(first: u32) -> Result<OwnedFd, StepError> {
    let make = || become_owner(first).and_then(|()| sys::unshare(UnshareFlags::NEWUSER));
    holder::open_held(
        Step::MakeUserNamespace,
        || make().at(Step::MakeUserNamespace),
        |pid| map_and_open(pid, first),
    )
}

/// Becomes the uid that shall own the namespace, but keeps capabilities: hosts may forbid user namespaces to others.
fn become_owner(first: u32) -> rustix::io::Result<()> {
    rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
    let (uid, gid) = (rustix::fs::Uid::from_raw(first), rustix::fs::Gid::from_raw(first));
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// The launcher's part: only it, with rights over the host's ids, may map a range.
fn map_and_open(pid: Pid, first: u32) -> Result<OwnedFd, StepError> {
    let proc = format!("/proc/{}", pid.as_raw_nonzero());
    let mapping = format!("0 {first} {UIDS_PER_SANDBOX}\n");
    for file in ["uid_map", "gid_map"] {
        std::fs::write(format!("{proc}/{file}"), &mapping).at(Step::MapUserNamespace)?;
    }
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(format!("{proc}/ns/user"), flags, rustix::fs::Mode::empty()).at(Step::MakeUserNamespace)
}
