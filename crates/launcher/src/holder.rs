//! Namespaces that the launcher makes without being in them: by a process that holds one until it is opened.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::report::{At, Step, StepError, log};
use crate::sys::{self, Cloned};

/// Has a process `make` a namespace of its own, and `open` it, given the process's number; `step` is what this is for.
pub(crate) fn open_held<T>(
    step: Step,
    make: impl FnOnce() -> Result<(), StepError>,
    open: impl FnOnce(Pid) -> Result<T, StepError>,
) -> Result<T, StepError> {
    let (ready, announce) = pipe_with(PipeFlags::CLOEXEC).at(Step::MakePipe)?;
    // It ends with the launcher too: then nobody holds the other end of this pipe. A death signal would not do, since the
    // kernel takes it back when the uid changes.
    let (released, hold) = pipe_with(PipeFlags::CLOEXEC).at(Step::MakePipe)?;
    let (pid, pidfd) = match sys::clone3(0).at(step)? {
        Cloned::Child => {
            drop(hold);
            hold_made(make(), &announce, &released)
        }
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
    };
    drop(announce);
    let opened = await_made(step, &ready).and_then(|()| open(pid));
    pidfd_send_signal(&pidfd, Signal::KILL).at(step)?;
    waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).at(step)?;
    opened
}

/// Waits until it is made: the process says the number of the error, 0 for none, or ends.
fn await_made(step: Step, ready: &OwnedFd) -> Result<(), StepError> {
    let mut errno = [0_u8; size_of::<i32>()];
    match rustix::io::read(ready, &mut errno).at(step)? {
        0 => Err(StepError { step, errno: Errno::CHILD }),
        _ => match i32::from_ne_bytes(errno) {
            0 => Ok(()),
            errno => Err(StepError { step, errno: Errno::from_raw_os_error(errno) }),
        },
    }
}

/// The process's part.
fn hold_made(made: Result<(), StepError>, announce: &OwnedFd, released: &OwnedFd) -> ! {
    let errno = made
        .inspect_err(|error| log(&error.to_string()))
        .map_or_else(|error| error.errno.raw_os_error(), |()| 0);
    if rustix::io::write(announce, &errno.to_ne_bytes()).is_ok() {
        while rustix::io::read(released, &mut [0_u8; 1]) == Err(Errno::INTR) {}
    }
    sys::exit_now(1)
}
