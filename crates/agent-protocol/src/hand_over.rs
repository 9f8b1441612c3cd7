//! How the descriptor of a large plain file comes from a file helper to serve, past HTTP/2.
//!
//! ```text
//! serve ──(Files: request with a key)──► agent ──► helper     opens the file, as its user
//! serve ◄────────(Reply: hand_over)──────────────── helper    waits for a connection
//! serve ──(a connection of its own: HELLO, key)──► agent ──(the connection itself)──► helper
//! serve ◄──(one byte, with the file beside it)───── helper
//! ```
//! Then serve reads or writes the file by itself. The call stays: the helper names a written file once the end frame is
//! there, empty data frames tell the agent that something goes on, and its end is the end of the transfer. Only regular
//! files of known file systems are handed over, and serve, which trusts neither helper nor agent, looks again.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, FsWord, fstat, fstatfs};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// First byte of a connection that wants a descriptor. HTTP/2 begins with another.
pub const HELLO: u8 = 1;

/// Length of what such a connection says first, in bytes: [`HELLO`] and the key.
pub const HELLO_BYTES: usize = 9;

/// File systems that local disks and sandboxes have, by their number: nothing on them makes a reader wait for a process.
const ON_DISK: [FsWord; 4] = [OVERLAY, 0x9123_683E, 0xEF53, 0x5846_5342];
const OVERLAY: FsWord = 0x794C_7630;
/// Memory: what is written there is paid for by whoever writes, so it is only read.
const TMPFS: FsWord = 0x0102_1994;

/// What is done with a descriptor that is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Its content is read.
    Reading,
    /// It gets a content.
    Writing,
}

/// What a connection says first.
#[must_use]
pub fn hello(key: u64) -> [u8; HELLO_BYTES] {
    let mut bytes = [HELLO; HELLO_BYTES];
    bytes.iter_mut().skip(1).zip(key.to_le_bytes()).for_each(|(to, from)| *to = from);
    bytes
}

/// The key that a connection says; nothing when it says something else.
#[must_use]
pub fn parse_hello(bytes: [u8; HELLO_BYTES]) -> Option<u64> {
    let [HELLO, key @ ..] = bytes else { return None };
    Some(u64::from_le_bytes(key))
}

/// Whether a descriptor may be handed over: a regular file on a file system that is known.
///
/// # Errors
/// When the kernel tells nothing of it.
pub fn may_be_handed_over(file: impl AsFd, for_what: Use) -> rustix::io::Result<bool> {
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Ok(false);
    }
    let kind = fstatfs(&file)?.f_type;
    Ok(ON_DISK.contains(&kind) || (for_what == Use::Reading && kind == TMPFS))
}

/// Sends a descriptor, with one byte. Waits as the socket does.
///
/// # Errors
/// When the socket fails, or would have to wait and must not.
pub fn send(socket: impl AsFd, descriptor: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(Errno::NOBUFS);
    }
    sendmsg(socket, &[IoSlice::new(&[HELLO])], &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// Receives a descriptor, close-on-exec. Waits as the socket does.
///
/// # Errors
/// When the socket fails, or the other side sends something else or has gone ([`Errno::PIPE`]).
pub fn receive(socket: impl AsFd) -> rustix::io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    // There is room for one: the kernel closes what is beyond.
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.ok_or(Errno::PIPE)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_key_reads_back_and_http_2_is_none() {
        assert_eq!(parse_hello(hello(0x0123_4567_89AB_CDEF)), Some(0x0123_4567_89AB_CDEF));
        assert_eq!(parse_hello(*b"PRI * HTT"), None);
    }

    #[test]
    fn a_descriptor_arrives_and_the_end_is_an_error() {
        let (one, other) = UnixStream::pair().unwrap();
        let file = File::open("/proc/self/status").unwrap();
        send(&one, file.as_fd()).unwrap();
        let received = receive(&other).unwrap();
        assert_eq!(fstat(&received).unwrap().st_ino, fstat(&file).unwrap().st_ino);
        rustix::io::write(&one, b"x").unwrap();
        assert_eq!(receive(&other).unwrap_err(), Errno::PIPE);
        drop(one);
        assert_eq!(receive(&other).unwrap_err(), Errno::PIPE);
    }

    #[test]
    fn only_regular_files_of_known_file_systems_are_handed_over() {
        let may = |path: &str, for_what| may_be_handed_over(File::open(path).unwrap(), for_what).unwrap();
        assert!(may(&std::env::current_exe().unwrap().display().to_string(), Use::Writing));
        for path in ["/proc/self/status", "/sys/kernel/uevent_seqnum", "/dev/null", "/proc", "/"] {
            assert!(!may(path, Use::Reading), "{path}");
        }
        let in_memory = rustix::fs::memfd_create("a", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert!(may_be_handed_over(&in_memory, Use::Reading).unwrap());
        assert!(!may_be_handed_over(&in_memory, Use::Writing).unwrap());
    }
}
