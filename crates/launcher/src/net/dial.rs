//! Sockets in the networks of sandboxes.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use super::namespace;
use crate::report::{At, Step, StepError};

/// Begins to connect to a port of loopback in the network of a process, and does not wait for the end: who listens there is
/// nobody's to trust, so whoever gets the socket waits as long as he likes.
///
/// The network is that of the process behind the descriptor, not of a number or a path, and a socket stays in the network that
/// it was made in. `SRCH`: the process has ended.
pub(crate) fn dial(process: BorrowedFd<'_>, port: NonZeroU16) -> Result<OwnedFd, StepError> {
    let socket = namespace::and_back(|| {
        move_into_thread_name_spaces(process, ThreadNameSpaceType::NETWORK).at(Step::EnterNetwork)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        socket_with(AddressFamily::INET, SocketType::STREAM, flags, Some(ipproto::TCP)).at(Step::Dial)
    })?;
    match connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port.get())) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(StepError { step: Step::Dial, errno }),
    }
}
