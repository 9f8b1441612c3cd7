//! Sockets that outlive the parts that use them.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, Mode, Uid, chmodat, chownat, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with, socketpair,
};

const NAME: &str = "launcher.sock";
/// Connections that wait to be accepted: serve makes one, doctor another.
const BACKLOG: i32 = 16;

/// Binds `run/launcher.sock` for serve's group. Bound through the folder's descriptor: a path may be longer than the 107 bytes
/// that a socket's address holds. Only root can write in `run/`, so the name cannot be exchanged in between.
pub(crate) fn listen_for_serve(run: &OwnedFd, serve_gid: u32) -> rustix::io::Result<OwnedFd> {
    match unlinkat(run, NAME, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", run.as_raw_fd()))?;
    bind(&socket, &address)?;
    chownat(run, NAME, Some(Uid::ROOT), Some(Gid::from_raw(serve_gid)), AtFlags::SYMLINK_NOFOLLOW)?;
    chmodat(run, NAME, Mode::from_raw_mode(0o660), AtFlags::empty())?;
    // Last: nobody can connect before the owner and the mode are right.
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// The way between the launcher and the egress program: the launcher's end first.
pub(crate) fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}
