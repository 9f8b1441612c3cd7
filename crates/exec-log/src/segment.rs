//! Reading one segment from a place in it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use atoll_types::ExecEvent;

use crate::layout::{self, Layout, SegmentHeader};
use crate::record;

/// Bytes that are read at once; a record that is longer is read whole.
const READ_BYTES: usize = 64 << 10;

/// Looks at the segments of a log beside a writer. A rotation takes as long as some hundreds of them, so the second succeeds;
/// a log with a gap, which only a broken disk makes, is taken as it is.
const LOOKS_MAX: usize = 8;

/// A segment and a place in it, always at the beginning of a record.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    pub(crate) header: SegmentHeader,
    /// Place in the file of the first byte of `buffer` that is not taken yet.
    offset: u64,
    buffer: Vec<u8>,
    taken: usize,
}

impl Segment {
    /// Opens it at its first record; none when it is missing or has no right header.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let Some(file) = layout::open_if_there(path, OpenOptions::new().read(true))? else { return Ok(None) };
        let Some(header) = SegmentHeader::read(&file)? else { return Ok(None) };
        Ok(Some(Self { file, header, offset: layout::HEADER_BYTES, buffer: Vec::new(), taken: 0 }))
    }

    /// Those of a log that are there, oldest first.
    pub(crate) fn open_held(layout: &Layout) -> io::Result<Vec<Self>> {
        let mut held = Vec::new();
        for _ in 0..LOOKS_MAX {
            held.clear();
            for path in layout.before().into_iter().chain([&*layout.current]) {
                held.extend(Self::open(path)?);
            }
            // A rotation between two looks can hide a segment, or show one twice.
            if held.windows(2).all(|pair| pair[0].header.index + 1 == pair[1].header.index) {
                break;
            }
        }
        Ok(held)
    }

    /// Where the next record is or will be.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that are written behind the place.
    pub(crate) fn ahead(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len().saturating_sub(self.offset))
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Makes at least `len` bytes of the file ready, unless it ends before.
    fn fill(&mut self, len: usize) -> io::Result<()> {
        if self.rest().len() >= len {
            return Ok(());
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let mut have = self.buffer.len();
        self.buffer.resize(len.max(READ_BYTES), 0);
        while have < len {
            let at = self.offset + have as u64;
            let read = self.file.read_at(&mut self.buffer[have..], at)?;
            if read == 0 {
                break;
            }
            have += read;
        }
        self.buffer.truncate(have);
        Ok(())
    }

    /// What `look` makes of the next record; the place does not move.
    fn peek<T>(&mut self, look: impl Fn(record::Header, &[u8]) -> T) -> io::Result<Option<(T, usize)>> {
        self.fill(record::HEADER_BYTES)?;
        let Some(header) = record::header(self.rest()) else { return Ok(self.forget()) };
        self.fill(record::HEADER_BYTES + header.len)?;
        match record::check(self.rest()) {
            Some((header, len)) => Ok(Some((look(header, self.rest()), len))),
            None => Ok(self.forget()),
        }
    }

    /// What is there is no whole record: it may still be growing, so nothing of it is kept for the next look.
    fn forget<T>(&mut self) -> Option<T> {
        self.buffer.clear();
        self.taken = 0;
        None
    }

    /// The next event that `fits` takes, by the length of its output and its number. None: it is not taken, or there is
    /// none.
    pub(crate) fn next_event(&mut self, fits: impl Fn(usize, u64) -> bool) -> io::Result<Option<ExecEvent>> {
        let look = |header: record::Header, bytes: &[u8]| {
            fits(header.len, header.seq).then(|| record::event(header, bytes))
        };
        let Some((Some(event), len)) = self.peek(look)? else { return Ok(None) };
        self.advance(len);
        Ok(Some(event))
    }

    fn advance(&mut self, len: usize) {
        self.taken += len;
        self.offset += len as u64;
    }

    /// Goes behind all records that are numbered at most `seq`; answers with the number of the last one passed.
    pub(crate) fn skip_to(&mut self, seq: u64) -> io::Result<Option<u64>> {
        let mut last = None;
        while let Some((this, len)) = self.peek(|header, _| header.seq)? {
            if this > seq {
                break;
            }
            last = Some(this);
            self.advance(len);
        }
        Ok(last)
    }
}
