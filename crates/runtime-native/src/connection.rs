//! One connection to the launcher.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use atoll_launcher_protocol::{FromLauncher, PACKET_BYTES_MAX, Packet, PacketError, Request, receive, send};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::io::unix::AsyncFd;

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `launcher.sock` in a folder, through the folder's descriptor: the whole path may be too long for an
    /// address.
    pub(crate) fn open(run_dir: &Path) -> std::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(run_dir, flags, Mode::empty())?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let path = format!("/proc/self/fd/{}/launcher.sock", folder.as_raw_fd());
        // A full backlog answers at once, as EAGAIN: the next attempt comes with the back-off.
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        #[expect(
            deprecated,
            reason = "its replacement is unsafe; an OwnedFd keeps its descriptor, as that would ask"
        )]
        let socket = AsyncFd::new(socket)?;
        Ok(Self { socket, buffer: vec![0; PACKET_BYTES_MAX] })
    }

    /// Sends a request at once; whether there was room for it.
    pub(crate) fn try_send(
        &self,
        request: &Request,
        descriptor: Option<&OwnedFd>,
    ) -> Result<bool, PacketError> {
        let descriptors: Vec<_> = descriptor.iter().map(|fd| fd.as_fd()).collect();
        loop {
            match send(self.socket.get_ref(), request, &descriptors) {
                Err(PacketError::Socket(Errno::INTR)) => {}
                Err(PacketError::Socket(Errno::AGAIN)) => return Ok(false),
                other => return other.map(|()| true),
            }
        }
    }

    /// Receives the next message.
    ///
    /// # Cancel safety
    /// A message is taken whole or not at all.
    pub(crate) async fn receive(&mut self) -> Result<Packet<FromLauncher>, PacketError> {
        loop {
            let mut ready = self.socket.readable().await.map_err(|_| PacketError::Closed)?;
            match receive::<FromLauncher>(ready.get_inner(), &mut self.buffer) {
                Err(PacketError::Socket(Errno::AGAIN)) => ready.clear_ready(),
                Err(PacketError::Socket(Errno::INTR)) => {}
                other => return other,
            }
        }
    }
}
