//! Finds frames in a stream of bytes that may begin, break off and go on anywhere.

use crate::frame::{FRAME_BYTES_MAX, HEADER_BYTES, Header, MAGIC, mask, parse};

/// Room of the buffer, in bytes: a frame that is not whole, and a whole one behind it.
const BUFFER_BYTES: usize = 2 * FRAME_BYTES_MAX;

/// Finds frames. Holds two of the largest at most.
#[derive(Debug)]
pub struct Decoder {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    skipped: u64,
    broken: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { buffer: vec![0; BUFFER_BYTES].into(), start: 0, end: 0, skipped: 0, broken: 0 }
    }
}

impl Decoder {
    /// Where the next bytes go; never empty once [`Self::next_frame`] has found nothing more.
    pub fn room(&mut self) -> &mut [u8] {
        if BUFFER_BYTES - self.end < FRAME_BYTES_MAX {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes of [`Self::room`] were written.
    pub fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(BUFFER_BYTES);
    }

    /// Bytes so far that belonged to no frame.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Headers so far whose payload was not theirs.
    #[must_use]
    pub const fn broken(&self) -> u64 {
        self.broken
    }

    /// The next frame, and what it carries.
    pub fn next_frame(&mut self) -> Option<(Header, &[u8])> {
        let (header, payload) = loop {
            self.skip_to_magic();
            let held = self.buffer.get(self.start..self.end)?;
            let (head, rest) = held.split_first_chunk::<HEADER_BYTES>()?;
            let Some((header, length)) = parse(head) else {
                self.skip(1);
                continue;
            };
            let payload = rest.get(..length)?;
            if length > 0 && crc32fast::hash(payload) != header.argument {
                // A frame that was cut: what follows may lie in what should have been its payload.
                self.broken += 1;
                self.skip(1);
                continue;
            }
            let at = self.start + HEADER_BYTES;
            self.start = at + length;
            break (header, at..at + length);
        };
        let payload = &mut self.buffer[payload];
        mask(payload, header.nonce);
        Some((header, payload))
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.skipped += bytes as u64;
    }

    /// Goes on to what may be the beginning of a header.
    fn skip_to_magic(&mut self) {
        loop {
            let held = self.buffer.get(self.start..self.end).unwrap_or_default();
            let next = held.iter().position(|byte| *byte == MAGIC[0]).unwrap_or(held.len());
            self.skip(next);
            let held = self.buffer.get(self.start..self.end).unwrap_or_default();
            let known = held.len().min(MAGIC.len());
            if held[..known] == MAGIC[..known] {
                break;
            }
            self.skip(1);
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Kind, PAYLOAD_BYTES_MAX, put};

    fn frame(sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = Header { nonce: 0x1234_5678_9ABC, sequence, stream: 1, kind: Kind::Data, argument: 0 };
        put(&mut bytes, header, [payload, b""]);
        bytes
    }

    fn found(pieces: &[&[u8]]) -> Vec<(u32, usize)> {
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                let room = decoder.room();
                let bytes = room.len().min(piece.len());
                room[..bytes].copy_from_slice(&piece[..bytes]);
                decoder.filled(bytes);
                piece = &piece[bytes..];
                while let Some((header, payload)) = decoder.next_frame() {
                    assert!(payload.iter().all(|byte| *byte == b'x'));
                    found.push((header.sequence, payload.len()));
                }
            }
        }
        found
    }

    #[test]
    fn frames_are_found_whole_or_byte_by_byte() {
        let bytes = [frame(1, b"xx"), frame(2, b""), frame(3, &[b'x'; PAYLOAD_BYTES_MAX])].concat();
        let all = [(1, 2), (2, 0), (3, PAYLOAD_BYTES_MAX)];
        assert_eq!(found(&[&bytes]), all);
        assert_eq!(found(&bytes.chunks(1).collect::<Vec<_>>()), all);
        assert_eq!(found(&bytes.chunks(1_000).collect::<Vec<_>>()), all);
    }

    #[test]
    fn a_frame_that_was_cut_anywhere_is_skipped_after_enough_of_nothing() {
        let (cut, whole) = (frame(1, &[b'x'; 100]), frame(2, b"x"));
        for at in 0..cut.len() {
            assert_eq!(found(&[&cut[..at], &[0; FRAME_BYTES_MAX], &whole]), [(2, 1)], "cut at {at}");
            assert_eq!(found(&[&cut[at..], &whole])[usize::from(at == 0)..], [(2, 1)], "begun at {at}");
        }
    }

    #[test]
    fn the_beginning_of_a_header_is_no_header() {
        assert_eq!(
            found(&[&MAGIC, &MAGIC, &MAGIC[..2], &frame(5, b"xyz".map(|_| b'x').as_slice())]),
            [(5, 3)]
        );
    }
}
