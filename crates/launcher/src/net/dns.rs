//! The sockets on which sandboxes ask for names: made here, in the router, and served by the egress program, which is no
//! part of this one and has no rights.

use std::net::SocketAddrV4;
use std::os::fd::{AsFd, OwnedFd};

use atoll_launcher_protocol::{FromEgress, PACKET_BYTES_MAX, ToEgress, receive, send};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use super::Router;
use super::addresses::DNS;
use crate::report::{Step, StepError, log};

/// Port of the protocol.
const PORT: u16 = 53;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// Hands sockets to the egress program; whether there were any to hand over. When the address is taken, it has them already, or
/// they are on their way to it, or the one before it is still dying.
pub(crate) fn hand_over(router: &Router, egress: &OwnedFd) -> Result<bool, StepError> {
    let sockets = router.inside(|| match open() {
        Ok(sockets) => Ok(Some(sockets)),
        Err(Errno::ADDRINUSE) => Ok(None),
        Err(errno) => Err(StepError { step: Step::BindDns, errno }),
    })?;
    let Some((udp, tcp)) = sockets else { return Ok(false) };
    if let Err(error) = send(egress, &ToEgress::Dns, &[udp.as_fd(), tcp.as_fd()]) {
        log(&format!("could not hand the sockets for names to the egress program: {error}"));
    }
    Ok(true)
}

/// Whether the egress program asks for sockets.
pub(crate) fn heard(egress: &OwnedFd) -> bool {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    let mut asked = false;
    while let Ok(packet) = receive::<FromEgress>(egress, &mut buffer) {
        asked |= packet.message == FromEgress::Ready;
    }
    asked
}

fn open() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let address = SocketAddrV4::new(DNS, PORT);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let udp = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    bind(&udp, &address)?;
    let tcp = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    // Connections that ended a moment ago still have the address.
    rustix::net::sockopt::set_socket_reuseaddr(&tcp, true)?;
    bind(&tcp, &address)?;
    listen(&tcp, BACKLOG)?;
    Ok((udp, tcp))
}
