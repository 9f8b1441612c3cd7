//! The last bytes that a terminal showed, each with its number from 0.

use std::collections::VecDeque;

use bytes::Bytes;

/// Bytes that are kept of one terminal: some thousand lines. All terminals of a sandbox together keep 4 MiB.
pub(crate) const SCROLLBACK_BYTES_MAX: usize = 256 << 10;
/// A replay begins with a line, where one begins within so many bytes.
const LINE_BYTES_MAX: usize = 4 << 10;

/// The bytes from `start` on.
#[derive(Debug, Default)]
pub(crate) struct Scrollback {
    bytes: VecDeque<u8>,
    start: u64,
}

impl Scrollback {
    /// Adds what came, and drops the oldest beyond the bound.
    pub(crate) fn push(&mut self, came: &[u8]) {
        let skipped = came.len().saturating_sub(SCROLLBACK_BYTES_MAX);
        let kept = came.get(skipped..).unwrap_or_default();
        let over = (self.bytes.len() + kept.len()).saturating_sub(SCROLLBACK_BYTES_MAX);
        self.bytes.drain(..over);
        self.bytes.extend(kept);
        self.start += length(skipped) + length(over);
    }

    /// Number of the first byte that is kept.
    pub(crate) const fn start(&self) -> u64 {
        self.start
    }

    /// Number of the byte that comes next.
    pub(crate) fn end(&self) -> u64 {
        self.start + length(self.bytes.len())
    }

    /// Where somebody begins who has seen nothing: at the first byte, or at the beginning of a line where the first bytes
    /// are gone, since half of a control sequence would be shown as text.
    pub(crate) fn replay_start(&self) -> u64 {
        if self.start == 0 {
            return 0;
        }
        let line = self.bytes.iter().take(LINE_BYTES_MAX).position(|b| *b == b'\n');
        self.start + line.map_or(0, |at| length(at) + 1)
    }

    /// At most `max` bytes from `from` on, or from the first that is kept; with the number of the first.
    pub(crate) fn read(&self, from: u64, max: usize) -> (u64, Bytes) {
        let from = from.clamp(self.start, self.end());
        let skip = usize::try_from(from - self.start).unwrap_or(usize::MAX).min(self.bytes.len());
        let till = (skip + max).min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let mut read = Vec::with_capacity(till - skip);
        let front_till = till.min(front.len());
        read.extend_from_slice(front.get(skip.min(front_till)..front_till).unwrap_or_default());
        let in_back = |at: usize| at.saturating_sub(front.len());
        read.extend_from_slice(back.get(in_back(skip)..in_back(till)).unwrap_or_default());
        (from, read.into())
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_replay_begins_with_a_line_once_the_first_bytes_are_gone() {
        let mut kept = Scrollback::default();
        kept.push(b"ab\ncd");
        assert_eq!(kept.replay_start(), 0);
        kept.push(&vec![b'x'; SCROLLBACK_BYTES_MAX - 4]);
        assert_eq!((kept.start(), kept.replay_start()), (1, 3));
        kept.push(&vec![b'x'; SCROLLBACK_BYTES_MAX * 2]);
        assert_eq!(kept.replay_start(), kept.start());
        assert_eq!(kept.end(), length(SCROLLBACK_BYTES_MAX) * 3 + 1);
    }

    proptest! {
        #[test]
        fn every_byte_has_its_number(pieces in prop::collection::vec(0_usize..200_000, 1..12), at in any::<u64>(), max in 1_usize..70_000) {
            let mut kept = Scrollback::default();
            let mut written = 0_u64;
            for piece in pieces {
                let bytes: Vec<u8> = (written..written + length(piece)).map(|n| (n % 251) as u8).collect();
                kept.push(&bytes);
                written += length(piece);
            }
            prop_assert_eq!(kept.end(), written);
            prop_assert!(kept.end() - kept.start() <= length(SCROLLBACK_BYTES_MAX));
            let from = at % (written + 2);
            let (first, bytes) = kept.read(from, max);
            prop_assert_eq!(first, from.clamp(kept.start(), kept.end()));
            prop_assert_eq!(length(bytes.len()), length(max).min(kept.end() - first));
            for (n, byte) in (first..).zip(&bytes) {
                prop_assert_eq!(*byte, (n % 251) as u8);
            }
        }
    }
}
