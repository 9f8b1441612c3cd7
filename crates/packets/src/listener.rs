//! Where others connect.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use tokio::io::unix::AsyncFd;

use crate::Connection;
use crate::connection::watched;

/// A socket that listens.
#[derive(Debug)]
pub struct Listener(AsyncFd<OwnedFd>);

impl Listener {
    /// Takes a socket that listens already.
    ///
    /// # Errors
    /// When it is none that can be waited for.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        watched(socket).map(Self)
    }

    /// The next connection.
    ///
    /// # Errors
    /// When there can be no more.
    ///
    /// # Cancel safety
    /// No connection is lost.
    pub async fn accept(&self) -> io::Result<Connection> {
        loop {
            let mut ready = self.0.readable().await?;
            match accept_with(ready.get_inner(), SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => return Connection::of(socket),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    use atoll_launcher_protocol::PacketError;
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket_with};

    use super::*;

    fn listening(folder: &std::path::Path) -> Listener {
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddrUnix::new(folder.join("sock")).unwrap()).unwrap();
        listen(&socket, 8).unwrap();
        Listener::new(socket).unwrap()
    }

    #[tokio::test]
    async fn messages_go_both_ways_with_descriptors() {
        let folder = tempfile::tempdir().unwrap();
        let listener = listening(folder.path());
        let mut here = Connection::open(folder.path(), "sock").unwrap();
        let mut there = listener.accept().await.unwrap();

        let path = folder.path().join("file");
        File::create(&path).unwrap().write_all(b"content").unwrap();
        let file = File::open(&path).unwrap();
        here.send(&"take it", &[file.as_fd()]).await.unwrap();
        let mut packet = there.receive::<String>().await.unwrap();
        assert_eq!(packet.message, "take it");
        let mut text = String::new();
        File::from(packet.descriptors.remove(0)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");

        // Until there is no room; what was sent comes whole and in order.
        let mut sent = 0_u32;
        while there.try_send(&sent, &[]).unwrap() {
            sent += 1;
        }
        for number in 0..sent {
            assert_eq!(here.receive::<u32>().await.unwrap().message, number);
        }
        drop(there);
        assert!(matches!(here.receive::<u32>().await, Err(PacketError::Closed)));
        assert!(Connection::open(folder.path(), "nobody").is_err());
    }

    #[tokio::test]
    async fn what_waits_for_room_is_sent_when_there_is_some() {
        let folder = tempfile::tempdir().unwrap();
        let listener = listening(folder.path());
        let mut here = Connection::open(folder.path(), "sock").unwrap();
        let there = listener.accept().await.unwrap();
        while there.try_send(&"full", &[]).unwrap() {}
        let last = async { there.send(&"last", &[]).await.unwrap() };
        let all = async { while here.receive::<String>().await.unwrap().message != "last" {} };
        tokio::join!(last, all);
    }
}
