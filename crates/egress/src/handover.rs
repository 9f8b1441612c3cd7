//! Takes sockets from the launcher.

use std::io;
use std::os::fd::OwnedFd;

use atoll_launcher_protocol::{FromEgress, PACKET_BYTES_MAX, PacketError, ToEgress, receive, send};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, UdpSocket};

/// Number of the descriptor that the supervisor leaves open.
const LAUNCHER: i32 = 3;

/// The launcher, or the next one: the way to it outlives both.
#[derive(Debug)]
pub(crate) struct Launcher {
    socket: AsyncFd<OwnedFd>,
}

/// Sockets on which sandboxes ask.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: TcpListener,
}

impl Launcher {
    /// Says that this program has begun.
    pub(crate) fn open() -> io::Result<Self> {
        // A copy, asked of the kernel as if of another process: a number alone says nothing about who owns it here.
        let own = pidfd_open(getpid(), PidfdFlags::empty())?;
        let socket = pidfd_getfd(own, LAUNCHER, PidfdGetfdFlags::empty())?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        match send(&socket, &FromEgress::Ready, &[]) {
            // As many of those before this one said so, and no launcher has come to hear it: the first will do.
            Ok(()) | Err(PacketError::Socket(Errno::AGAIN)) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that may close the descriptor behind it: ours does not"
        )]
        let socket = AsyncFd::new(socket)?;
        Ok(Self { socket })
    }

    /// The next sockets.
    ///
    /// # Cancel safety
    /// A packet is taken whole or not at all.
    pub(crate) async fn sockets(&mut self) -> io::Result<Sockets> {
        loop {
            let mut ready = self.socket.readable().await?;
            let mut buffer = vec![0; PACKET_BYTES_MAX];
            match receive::<ToEgress>(ready.get_inner(), &mut buffer) {
                Ok(packet) => match packet.message {
                    ToEgress::Dns => return sockets(packet.descriptors),
                },
                Err(PacketError::Socket(Errno::AGAIN | Errno::INTR)) => ready.clear_ready(),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

fn sockets(descriptors: Vec<OwnedFd>) -> io::Result<Sockets> {
    let two = |_| io::Error::other("the launcher handed over something else than two sockets");
    let [udp, tcp] = <[OwnedFd; 2]>::try_from(descriptors).map_err(two)?;
    Ok(Sockets { udp: UdpSocket::from_std(udp.into())?, tcp: TcpListener::from_std(tcp.into())? })
}
