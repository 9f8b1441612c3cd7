//! Sockets in the networks of sandboxes and containers.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, ipproto, socket_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use super::namespace;
use crate::report::{At, Step, StepError};
use crate::sys;

/// Nobody here waits for anybody.
const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// Makes a socket in the network of a process; it stays there.
fn socket_in(
    process: BorrowedFd<'_>,
    make: impl FnOnce() -> Result<OwnedFd, StepError>,
) -> Result<OwnedFd, StepError> {
    namespace::and_back(|| {
        move_into_thread_name_spaces(process, ThreadNameSpaceType::NETWORK).at(Step::EnterNetwork)?;
        make()
    })
}

/// Begins to connect to a port of loopback in the network of a process, and does not wait for the end: who listens there is
/// nobody's to trust, so whoever gets the socket waits as long as he likes.
///
/// The network is that of the process behind the descriptor, not of a number or a path. `SRCH`: the process has ended.
pub(crate) fn dial(process: BorrowedFd<'_>, port: NonZeroU16) -> Result<OwnedFd, StepError> {
    let socket = socket_in(process, || {
        socket_with(AddressFamily::INET, SocketType::STREAM, FLAGS, Some(ipproto::TCP)).at(Step::Dial)
    })?;
    match connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port.get())) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(StepError { step: Step::Dial, errno }),
    }
}

/// Connects to a name in the abstract space of the network of a process, if that process itself listens there. Neither the number nor
/// the name is believed: what has the number by now is connected to under a name that it alone was told, or not at all.
///
/// `CONNREFUSED`: nobody listens there; `PERM`: somebody else does; `SRCH`: the process has ended.
pub(crate) fn dial_name(number: Pid, name: &str) -> Result<OwnedFd, StepError> {
    let process = pidfd_open(number, PidfdFlags::empty()).at(Step::Dial)?;
    let socket = socket_in(process.as_fd(), || {
        socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None).at(Step::Dial)
    })?;
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).at(Step::Dial)?;
    connect(&socket, &address).at(Step::Dial)?;
    let listener = sys::peer_pid(&socket).at(Step::Dial)?;
    if listener == Some(number) {
        Ok(socket)
    } else {
        Err(StepError { step: Step::Dial, errno: Errno::PERM })
    }
}
