//! Packets with descriptors over a `SOCK_SEQPACKET` socket.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{DESCRIPTORS_MAX, PACKET_BYTES_MAX};

/// A received message with the descriptors beside it.
#[derive(Debug)]
pub struct Packet<T> {
    /// The message.
    pub message: T,
    /// Descriptors, close-on-exec.
    pub descriptors: Vec<OwnedFd>,
}

/// Why a packet could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The socket failed; `WOULDBLOCK` means to wait for readiness.
    #[error("the socket failed")]
    Socket(#[from] Errno),
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// Larger than [`PACKET_BYTES_MAX`], or more than [`DESCRIPTORS_MAX`] descriptors.
    #[error("a packet is larger than allowed")]
    TooLarge,
    /// Not a message of this protocol.
    #[error("a packet is no valid message")]
    Malformed(#[from] serde_json::Error),
}

/// Sends one message with descriptors beside it.
///
/// # Errors
/// When it is too large or the socket fails.
pub fn send<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), PacketError> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > PACKET_BYTES_MAX || descriptors.len() > DESCRIPTORS_MAX {
        return Err(PacketError::TooLarge);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(PacketError::TooLarge);
    }
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one message; `buffer` must hold [`PACKET_BYTES_MAX`] bytes and is only scratch space.
///
/// # Errors
/// When the peer has gone, the packet is too large or no message, or the socket fails.
pub fn receive<T: DeserializeOwned>(socket: impl AsFd, buffer: &mut [u8]) -> Result<Packet<T>, PacketError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(PacketError::TooLarge);
    }
    if got.bytes == 0 {
        return Err(PacketError::Closed);
    }
    Ok(Packet { message: serde_json::from_slice(&buffer[..got.bytes])?, descriptors })
}
