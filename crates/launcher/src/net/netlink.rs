//! Messages between this program and the kernel's routing and packet filter: as much of netlink as is needed here.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

/// Largest answer that is read at once, in bytes: the kernel cuts lists into pieces of half of it.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Bytes of the header of every message.
const HEADER_BYTES: usize = 16;

/// Type of a message that ends a request, well or not.
const ERROR: u16 = 2;
/// Type of a message that ends a list.
const DONE: u16 = 3;

/// Flag of every request.
const REQUEST: u16 = 1;
/// The kernel shall say how it went.
const ACKNOWLEDGE: u16 = 4;
/// Make what is not there, and fail when it is.
pub(super) const MAKE: u16 = 0x400 | 0x200;
/// List all.
const LIST: u16 = 0x300;

/// A message in the making.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// Begins a message with what comes before its attributes.
    pub(super) fn new(kind: u16, flags: u16, head: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | REQUEST).to_ne_bytes());
        let mut this = Self { bytes };
        this.put(head);
        this
    }

    /// Adds an attribute.
    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let start = self.begin(kind);
        self.bytes.extend_from_slice(value);
        self.end(start);
        self
    }

    /// Adds an attribute that holds attributes, behind a head of its own where it has one.
    pub(super) fn nested(mut self, kind: u16, head: &[u8], fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.begin(kind);
        self.put(head);
        self = fill(self);
        self.end(start);
        self
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn begin(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    /// Messages are a few hundred bytes, so that no length is cut.
    fn end(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self, flags: u16, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[6] |= flags.to_ne_bytes()[0];
        self.bytes[7] |= flags.to_ne_bytes()[1];
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

/// The bytes of an address, as attributes hold it.
pub(super) fn octets(address: Ipv4Addr) -> [u8; 4] {
    address.octets()
}

/// A text with its end, as attributes hold it.
pub(super) fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// A socket to the kernel, in the network namespace in which it was made.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    /// Opens one to the routing of this process's namespace.
    pub(super) fn routing() -> Result<Self> {
        // No protocol is protocol 0, which routing has.
        Self::open(None, 0)
    }

    /// Opens one to the packet filter of this process's namespace, which hears of changes to groups (a bit each).
    pub(super) fn filter(groups: u32) -> Result<Self> {
        Self::open(Some(rustix::net::netlink::NETFILTER), groups)
    }

    fn open(protocol: Option<Protocol>, groups: u32) -> Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { socket })
    }

    /// Asks for something to be done.
    pub(super) fn ask(&self, message: Message) -> Result<()> {
        self.converse(message, ACKNOWLEDGE, |_| {})
    }

    /// Asks for one answer; what is in it behind the header.
    pub(super) fn get(&self, message: Message) -> Result<Vec<u8>> {
        let mut found = Vec::new();
        self.converse(message, ACKNOWLEDGE, |body| found = body.to_vec())?;
        Ok(found)
    }

    /// Asks for all of a kind; each is given to `take`, without its header.
    pub(super) fn list(&self, message: Message, take: impl FnMut(&[u8])) -> Result<()> {
        self.converse(message, LIST, take)
    }

    fn converse(&self, message: Message, flags: u16, mut take: impl FnMut(&[u8])) -> Result<()> {
        // One request at a time on a socket: the number tells nothing apart.
        send(&self.socket, &message.finish(flags, 1), SendFlags::empty())?;
        let mut buffer = vec![0; ANSWER_BYTES_MAX];
        loop {
            let (length, _) = recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty())?;
            for (kind, body) in messages(&buffer[..length]) {
                match kind {
                    ERROR => return outcome(body),
                    DONE => return Ok(()),
                    _ => take(body),
                }
            }
        }
    }

    /// Takes what has come without being asked for; whether anything had.
    pub(super) fn drain(&self) -> bool {
        let mut buffer = vec![0; ANSWER_BYTES_MAX];
        let mut any = false;
        loop {
            match recv(&self.socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
                Ok(_) => any = true,
                // Too much had come to be kept: something did.
                Err(Errno::NOBUFS) => any = true,
                Err(_) => return any,
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A number of a message.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Reads a number of four bytes.
pub(super) fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    number(bytes, at).map(u32::from_ne_bytes)
}

fn outcome(body: &[u8]) -> Result<()> {
    match number(body, 0).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(errno) => Err(Errno::from_raw_os_error(errno.saturating_neg())),
        None => Err(Errno::BADMSG),
    }
}

/// The messages of an answer: type, and what is behind the header.
fn messages(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::try_from(number_at(rest, 0)?).ok()?;
        let kind = u16::from_ne_bytes(number(rest, 4)?);
        let body = rest.get(HEADER_BYTES..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The attributes of a message, behind a head of so many bytes.
pub(super) fn attributes(body: &[u8], head: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = body.get(head..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(number(rest, 0)?));
        let kind = u16::from_ne_bytes(number(rest, 2)?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let message = Message::new(7, MAKE, &[1, 2, 3])
            .attribute(5, b"abc")
            .nested(6, &[9; 4], |inner| inner.attribute(8, b"x"));
        let bytes = message.finish(ACKNOWLEDGE, 1);
        let all: Vec<(u16, &[u8])> = messages(&bytes).collect();
        let [(7, body)] = all[..] else { panic!("{all:?}") };
        let found: Vec<(u16, &[u8])> = attributes(body, 4).collect();
        assert_eq!(found[0], (5, b"abc".as_slice()));
        assert_eq!(found[1].0, 6);
        assert_eq!(attributes(found[1].1, 4).collect::<Vec<_>>(), [(8, b"x".as_slice())]);
    }

    #[test]
    fn a_broken_answer_ends() {
        for bytes in [&[][..], &[1, 0, 0, 0], &[0; 16], &[255; 20], &[17, 0, 0, 0, 1, 0, 0, 0]] {
            assert!(messages(bytes).count() <= 2, "{bytes:?}");
            assert!(attributes(bytes, 0).count() <= 2, "{bytes:?}");
        }
        assert_eq!(outcome(&[]), Err(Errno::BADMSG));
    }
}
