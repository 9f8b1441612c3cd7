//! The socket that serve asks on: packets, with a descriptor beside one now and then.

use std::io;
use std::os::fd::OwnedFd;

use atoll_broker_protocol::{Answer, Call};
use atoll_launcher_protocol::{PACKET_BYTES_MAX, Packet, PacketError, receive, send};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use tokio::io::unix::AsyncFd;

/// Where serve connects.
#[derive(Debug)]
pub(crate) struct Listener(AsyncFd<OwnedFd>);

/// One connection of serve's.
#[derive(Debug)]
pub(crate) struct Client {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

fn watched(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that may close the descriptor behind it: ours does not"
    )]
    AsyncFd::new(socket)
}

impl Listener {
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        watched(socket).map(Self)
    }

    /// The next connection. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<Client> {
        loop {
            let mut ready = self.0.readable().await?;
            match accept_with(ready.get_inner(), SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => {
                    return Ok(Client { socket: watched(socket)?, buffer: vec![0; PACKET_BYTES_MAX] });
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Client {
    /// The next call. Cancel safe: a packet is taken whole or not at all.
    pub(crate) async fn receive(&mut self) -> Result<Packet<Call>, PacketError> {
        loop {
            let mut ready = self.socket.readable().await.map_err(|_| PacketError::Closed)?;
            match receive::<Call>(ready.get_inner(), &mut self.buffer) {
                Err(PacketError::Socket(Errno::AGAIN)) => ready.clear_ready(),
                Err(PacketError::Socket(Errno::INTR)) => {}
                other => return other,
            }
        }
    }

    /// Sends an answer, once there is room for it. Cancel safe in the same way.
    pub(crate) async fn send(&self, answer: &Answer) -> Result<(), PacketError> {
        loop {
            let mut ready = self.socket.writable().await.map_err(|_| PacketError::Closed)?;
            match send(ready.get_inner(), answer, &[]) {
                Err(PacketError::Socket(Errno::AGAIN)) => ready.clear_ready(),
                Err(PacketError::Socket(Errno::INTR)) => {}
                other => return other,
            }
        }
    }
}
