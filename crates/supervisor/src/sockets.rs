//! Sockets that outlive the parts that use them.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, Mode, Uid, chmodat, chownat, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with, socketpair,
};

/// Where serve asks the launcher.
pub(crate) const LAUNCHER: &str = "launcher.sock";
/// Where it asks the Docker broker.
pub(crate) const BROKER: &str = "broker.sock";
/// Connections that wait to be accepted: to the launcher serve makes one, and doctor another; to the broker one for each call.
const BACKLOG: i32 = 512;

/// Binds a socket in `run/` for serve's group. Bound through the folder's descriptor: a path may be longer than the 107 bytes
/// that a socket's address holds. Only root can write in `run/`, so the name cannot be exchanged in between.
pub(crate) fn listen_for_serve(run: &OwnedFd, name: &str, serve_gid: u32) -> rustix::io::Result<OwnedFd> {
    remove(run, name)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", run.as_raw_fd()))?;
    bind(&socket, &address)?;
    chownat(run, name, Some(Uid::ROOT), Some(Gid::from_raw(serve_gid)), AtFlags::SYMLINK_NOFOLLOW)?;
    chmodat(run, name, Mode::from_raw_mode(0o660), AtFlags::empty())?;
    // Last: nobody can connect before the owner and the mode are right.
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Removes the name of a socket, if there is one.
pub(crate) fn remove(run: &OwnedFd, name: &str) -> rustix::io::Result<()> {
    match unlinkat(run, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The way between the launcher and the egress program: the launcher's end first.
pub(crate) fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}
