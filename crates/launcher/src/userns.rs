//! User namespaces, one for each range of host uids.
//!
//! The namespace belongs to the first uid of its own range, not to root: the kernel counts inotify watches, pending
//! signals and the like against the owner of the namespace too, and one sandbox must not use up another's.
//! A namespace is nothing but a mapping, so it is kept and used again for the same range.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use atoll_launcher_protocol::{UID_BASE, UIDS_PER_SANDBOX};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use rustix::thread::{CapabilitiesSecureBits, UnshareFlags};

use crate::report::{At, Step, StepError};
use crate::sys::{self, Cloned};

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
    // The namespace needs a process to be made by; it waits while its mapping is written and its descriptor opened.
    let (ready, announce) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).at(Step::MakePipe)?;
    // It ends with the launcher too: then nobody holds the other end of this pipe. A death signal would not do, since the
    // kernel takes it back when the uid changes.
    let (released, hold) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).at(Step::MakePipe)?;
    let (pid, pidfd) = match sys::clone3(0).at(Step::MakeUserNamespace)? {
        Cloned::Child => {
            drop(hold);
            hold_namespace(first, &announce, &released)
        }
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
    };
    drop(announce);
    let namespace = map_and_open(pid, first, &ready);
    pidfd_send_signal(&pidfd, Signal::KILL).at(Step::MakeUserNamespace)?;
    waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).at(Step::MakeUserNamespace)?;
    namespace
}

/// The helper's part.
fn hold_namespace(first: u32, announce: &OwnedFd, released: &OwnedFd) -> ! {
    let made = become_owner(first).and_then(|()| sys::unshare(UnshareFlags::NEWUSER));
    if made.is_ok() && rustix::io::write(announce, b"1").is_ok() {
        while rustix::io::read(released, &mut [0_u8; 1]) == Err(Errno::INTR) {}
    }
    sys::exit_now(1)
}

/// Becomes the uid that shall own the namespace, but keeps capabilities: hosts may forbid user namespaces to others.
fn become_owner(first: u32) -> rustix::io::Result<()> {
    rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
    let (uid, gid) = (rustix::fs::Uid::from_raw(first), rustix::fs::Gid::from_raw(first));
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// The launcher's part: only it, with rights over the host's ids, may map a range.
fn map_and_open(pid: Pid, first: u32, ready: &OwnedFd) -> Result<OwnedFd, StepError> {
    if rustix::io::read(ready, &mut [0_u8; 1]).at(Step::MakeUserNamespace)? != 1 {
        return Err(StepError { step: Step::MakeUserNamespace, errno: Errno::PERM });
    }
    let proc = format!("/proc/{}", pid.as_raw_nonzero());
    let mapping = format!("0 {first} {UIDS_PER_SANDBOX}\n");
    for file in ["uid_map", "gid_map"] {
        std::fs::write(format!("{proc}/{file}"), &mapping).at(Step::MapUserNamespace)?;
    }
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(format!("{proc}/ns/user"), flags, rustix::fs::Mode::empty()).at(Step::MakeUserNamespace)
}
