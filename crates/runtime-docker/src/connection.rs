//! One connection to the broker.

use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use atoll_broker_protocol::{Answer, Call, Failure, SOCKET};
use atoll_launcher_protocol::{PACKET_BYTES_MAX, PacketError, receive, send};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::io::unix::AsyncFd;

use crate::convert::CallError;

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects through the folder's descriptor: the whole path may be too long for an address.
    pub(crate) fn open(run_dir: &Path) -> std::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(run_dir, flags, Mode::empty())?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let path = format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd());
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        #[expect(
            deprecated,
            reason = "its replacement is unsafe; an OwnedFd keeps its descriptor, as that would ask"
        )]
        let socket = AsyncFd::new(socket)?;
        Ok(Self { socket, buffer: vec![0; PACKET_BYTES_MAX] })
    }

    /// Sends a call, once there is room for it.
    pub(crate) async fn send(
        &self,
        call: &Call,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), CallError> {
        let descriptors: Vec<_> = descriptor.into_iter().collect();
        loop {
            let mut ready =
                self.socket.writable().await.map_err(|error| CallError::Away(error.to_string()))?;
            match send(ready.get_inner(), call, &descriptors) {
                Err(PacketError::Socket(Errno::AGAIN)) => ready.clear_ready(),
                Err(PacketError::Socket(Errno::INTR)) => {}
                Err(error) => return Err(CallError::Away(error.to_string())),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// The next answer.
    ///
    /// # Cancel safety
    /// An answer is taken whole or not at all.
    pub(crate) async fn receive(&mut self) -> Result<Answer, CallError> {
        loop {
            let mut ready =
                self.socket.readable().await.map_err(|error| CallError::Away(error.to_string()))?;
            match receive::<Answer>(ready.get_inner(), &mut self.buffer) {
                Err(PacketError::Socket(Errno::AGAIN)) => ready.clear_ready(),
                Err(PacketError::Socket(Errno::INTR)) => {}
                Err(error) => return Err(CallError::Away(error.to_string())),
                Ok(packet) => {
                    return match packet.message {
                        Answer::Failed(Failure { kind, message }) => Err(CallError::Failed(kind, message)),
                        answer => Ok(answer),
                    };
                }
            }
        }
    }
}
