//! Keys, as they are typed.
//!
//! A terminal is watched for them: a thread that waited in a read would have to wake this one for each key. What cannot be
//! watched, such as a file, is read by a thread.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// What ends the input of a program that reads lines.
pub(super) const END_OF_FILE: u8 = 4;
/// Keys that are read at once, in bytes: most come alone; a paste comes in pieces.
const PIECE_BYTES: usize = 16 << 10;

/// Where keys come from.
#[derive(Debug)]
pub(super) enum Keys {
    Watched(AsyncFd<OwnedFd>),
    /// Pieces, one ahead.
    Read(mpsc::Receiver<io::Result<Vec<u8>>>),
}

impl Keys {
    /// Of the standard input.
    pub(super) fn new() -> Self {
        // The descriptor stays one that blocks: it is the shell's outside, too.
        let input = io::stdin().as_fd().try_clone_to_owned();
        match input.and_then(watched_for_keys) {
            Ok(watched) => Self::Watched(watched),
            Err(_) => Self::Read(read()),
        }
    }

    /// The next piece of what is typed; nothing at the end. Cancel safety: nothing is read before it is returned.
    pub(super) async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        match self {
            Self::Watched(input) => watch(input).await,
            Self::Read(pieces) => pieces.recv().await,
        }
    }
}

#[expect(deprecated, reason = "its successor is unsafe; an OwnedFd keeps its descriptor, as that would ask")]
fn watched_for_keys(input: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(input, Interest::READABLE)
}

async fn watch(input: &AsyncFd<OwnedFd>) -> Option<io::Result<Vec<u8>>> {
    loop {
        let mut ready = match input.readable().await {
            Ok(ready) => ready,
            Err(error) => return Some(Err(error)),
        };
        // Asked each time, as the read would wait. What comes from now on makes it ready again.
        if !has_something(input) {
            ready.clear_ready();
            continue;
        }
        let mut piece = vec![0; PIECE_BYTES];
        match rustix::io::read(input, &mut piece) {
            Ok(0) => return None,
            Ok(length) => {
                piece.truncate(length);
                return Some(Ok(piece));
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(errno) => return Some(Err(errno.into())),
        }
    }
}

/// Whether a read returns at once.
fn has_something(input: impl AsFd) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut waited = [PollFd::new(&input, PollFlags::IN)];
    poll(&mut waited, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

fn read() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (send, receive) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let result = match input.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => Ok(piece.get(..length).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = result.is_err();
            if send.blocking_send(result).is_err() || failed {
                break;
            }
        }
    });
    receive
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn keys_come_one_by_one_and_the_end_is_one() {
        let (keys, typed) = rustix::pipe::pipe().unwrap();
        let mut keys = Keys::Watched(watched_for_keys(keys).unwrap());
        for key in ["a", "long piece", "b"] {
            rustix::io::write(&typed, key.as_bytes()).unwrap();
            assert_eq!(keys.next().await.unwrap().unwrap(), key.as_bytes());
            let silence = tokio::time::timeout(Duration::from_millis(20), keys.next()).await;
            assert!(silence.is_err(), "nothing more was typed, and nothing blocks");
        }
        drop(typed);
        assert!(keys.next().await.is_none());
    }
}
