//! One packet as it comes from the other end of the socket: a request, an answer, or what egress says.
#![no_main]

use std::os::fd::OwnedFd;

use atoll_launcher_protocol::{FromEgress, FromLauncher, PACKET_BYTES_MAX, Request, ToEgress, receive, send};
use libfuzzer_sys::{Corpus, fuzz_target};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socketpair};
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|input: (u8, &[u8])| -> Corpus {
    let (kind, bytes) = input;
    match kind % 4 {
        0 => passes_through::<Request>(bytes),
        1 => passes_through::<FromLauncher>(bytes),
        2 => passes_through::<ToEgress>(bytes),
        _ => passes_through::<FromEgress>(bytes),
    }
});

/// What is understood is said again in the same words, and understood in the same way.
fn passes_through<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Corpus {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    let (near, far) = pair();
    if bytes.is_empty() || rustix::net::send(&far, bytes, SendFlags::empty()).is_err() {
        return Corpus::Reject;
    }
    let Ok(packet) = receive::<T>(&near, &mut buffer) else { return Corpus::Keep };
    let words = serde_json::to_value(&packet.message).expect("a message can be written");
    // A packet that came can have grown by what it left out.
    if send(&far, &packet.message, &[]).is_ok() {
        let again = receive::<T>(&near, &mut buffer).expect("a message that was sent is understood");
        assert_eq!(serde_json::to_value(&again.message).expect("a message can be written"), words);
    }
    Corpus::Keep
}

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
        .expect("a pair of sockets")
}
