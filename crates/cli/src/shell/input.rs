//! Reading keys blocks, so a thread does it.

use std::io::{self, Read};

use tokio::sync::mpsc;

/// What ends the input of a program that reads lines.
pub(super) const END_OF_FILE: u8 = 4;
/// Keys that are read at once, in bytes: most come alone; a paste comes in pieces.
const PIECE_BYTES: usize = 16 << 10;

/// Pieces of what is typed, one ahead.
pub(super) fn read() -> mpsc::Receiver<io::Result<Vec<u8>>> {
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
