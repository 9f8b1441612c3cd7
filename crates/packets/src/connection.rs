//! One connection.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use atoll_launcher_protocol::{PACKET_BYTES_MAX, Packet, PacketError, receive, send};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::unix::AsyncFd;

/// A connected socket.
#[derive(Debug)]
pub struct Connection {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

/// The runtime watches a descriptor, which must not block.
pub(crate) fn watched(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "its replacement is unsafe; an OwnedFd keeps its descriptor, as that would ask"
    )]
    AsyncFd::new(socket)
}

impl Connection {
    /// Connects to the socket `name` in a folder, through the folder's descriptor: the whole path may be too long for an
    /// address.
    ///
    /// # Errors
    /// When nobody listens there. A full backlog answers at once, as `WOULDBLOCK`.
    pub fn open(folder: &Path, name: &str) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let path = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Self::of(socket)
    }

    /// A socket that is connected, and does not block.
    pub(crate) fn of(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self { socket: watched(socket)?, buffer: vec![0; PACKET_BYTES_MAX] })
    }

    /// Sends a message at once; whether there was room for it.
    ///
    /// # Errors
    /// When it is too large, or the connection is lost.
    pub fn try_send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<bool, PacketError> {
        loop {
            match send(self.socket.get_ref(), message, descriptors) {
                Err(PacketError::Socket(Errno::INTR)) => {}
                Err(PacketError::Socket(Errno::AGAIN)) => return Ok(false),
                other => return other.map(|()| true),
            }
        }
    }

    /// Sends a message, once there is room for it.
    ///
    /// # Errors
    /// As [`Connection::try_send`].
    ///
    /// # Cancel safety
    /// A message is sent whole or not at all.
    pub async fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), PacketError> {
        loop {
            let mut ready = self.socket.writable().await.map_err(|_| PacketError::Closed)?;
            if self.try_send(message, descriptors)? {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// When the connection is lost, or what came is no such message.
    ///
    /// # Cancel safety
    /// A message is taken whole or not at all.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<Packet<T>, PacketError> {
        loop {
            let mut ready = self.socket.readable().await.map_err(|_| PacketError::Closed)?;
            match receive::<T>(ready.get_inner(), &mut self.buffer) {
                Err(PacketError::Socket(Errno::AGAIN)) => ready.clear_ready(),
                Err(PacketError::Socket(Errno::INTR)) => {}
                other => return other,
            }
        }
    }
}
