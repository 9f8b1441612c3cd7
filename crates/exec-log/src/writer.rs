//! Writing one log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{ExecLogError, ExecLogWriter};
use atoll_types::{ExecEvent, ExecId};

use crate::flush::Note;
use crate::layout::{self, Layout, SegmentHeader};
use crate::logs::{Bounds, failed};
use crate::quota::Usage;
use crate::record;
use crate::segment::Segment;

/// Bytes that are written by one call, at least: then others on this thread get their turn. A call copies into the page
/// cache, about 15 µs for this much, so it needs no thread of its own.
const WRITE_BYTES: usize = 64 << 10;

/// The segment that grows.
#[derive(Debug)]
struct Current {
    file: File,
    index: u64,
    bytes: u64,
}

/// Writes one log.
#[derive(Debug)]
pub(crate) struct Writer {
    layout: Layout,
    exec: ExecId,
    bounds: Bounds,
    usage: Arc<Usage>,
    note: Note,
    /// None before the first output.
    current: Option<Current>,
    last_seq: u64,
    truncated: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.usage.close(&self.exec);
    }
}

impl Writer {
    /// Finds the end of the log, and cuts half a record.
    pub(crate) fn open(
        layout: Layout,
        exec: ExecId,
        bounds: Bounds,
        usage: Arc<Usage>,
        note: Note,
    ) -> io::Result<Self> {
        usage.open(&exec);
        let mut writer =
            Self { layout, exec, bounds, usage, note, current: None, last_seq: 0, truncated: false };
        let mut held = Segment::open_held(&writer.layout)?;
        writer.truncated = held.first().is_some_and(|oldest| oldest.header.index > 0);
        if let Some(current) = Segment::open(&writer.layout.current)? {
            writer.resume(current)?;
        } else if let Some(older) = held.pop() {
            writer.resume_after(older)?;
        }
        Ok(writer)
    }

    fn resume(&mut self, mut segment: Segment) -> io::Result<()> {
        self.last_seq = segment.skip_to(u64::MAX)?.unwrap_or(segment.header.last_seq);
        let bytes = segment.offset();
        let file = OpenOptions::new().read(true).append(true).open(&self.layout.current)?;
        if file.metadata()?.len() > bytes {
            file.set_len(bytes)?;
        }
        self.current = Some(Current { file, index: segment.header.index, bytes });
        Ok(())
    }

    /// A crash came between the two names of a rotation.
    fn resume_after(&mut self, mut older: Segment) -> io::Result<()> {
        self.last_seq = older.skip_to(u64::MAX)?.unwrap_or(older.header.last_seq);
        let next = SegmentHeader { index: older.header.index + 1, last_seq: self.last_seq };
        let file = self.layout.prepare(next)?;
        self.layout.publish()?;
        self.current = Some(Current { file, index: next.index, bytes: layout::HEADER_BYTES });
        Ok(())
    }

    /// The segment that grows, with room for `bytes` more.
    fn room(&mut self, bytes: u64) -> io::Result<&mut Current> {
        let full = if self.usage.over() { self.bounds.tight_bytes() } else { self.bounds.segment_bytes };
        let fits = |current: &Current| current.bytes + bytes <= full || current.bytes <= layout::HEADER_BYTES;
        if !self.current.as_ref().is_some_and(fits) {
            self.begin_segment()?;
        }
        self.current.as_mut().ok_or_else(|| io::Error::other("there is no segment"))
    }

    /// Begins the first segment or the next one; the oldest is dropped. On failure all that is held stays.
    fn begin_segment(&mut self) -> io::Result<()> {
        let index = self.current.as_ref().map_or(0, |current| current.index + 1);
        let file = self.layout.prepare(SegmentHeader { index, last_seq: self.last_seq })?;
        if index == 0 {
            self.layout.publish()?;
        } else {
            let dropped = self.layout.rotate(self.bounds.kept)?;
            self.usage.subtract(dropped);
            self.truncated |= dropped > 0;
        }
        self.current = Some(Current { file, index, bytes: layout::HEADER_BYTES });
        Ok(())
    }

    /// Writes whole records; on failure nothing of them stays.
    fn write(&mut self, bytes: &[u8], last_seq: u64) -> io::Result<()> {
        let len = bytes.len() as u64;
        let current = self.room(len)?;
        if let Err(error) = current.file.write_all(bytes) {
            // A full disk takes a part: cut it, or what follows could not be read.
            current.file.set_len(current.bytes)?;
            return Err(error);
        }
        current.bytes += len;
        self.last_seq = last_seq;
        self.note.written();
        self.usage.add(len)
    }

    async fn append_some(&mut self, events: &[ExecEvent]) -> io::Result<()> {
        let (mut bytes, mut last_seq) = (Vec::new(), self.last_seq);
        for event in events {
            // A stream that was attached again may repeat what is here already.
            let Some((stream, output)) = record::output(event).filter(|_| event.seq > last_seq) else {
                continue;
            };
            if !record::encode(&mut bytes, event, stream, output) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "an event has more output than allowed",
                ));
            }
            last_seq = event.seq;
            if bytes.len() >= WRITE_BYTES {
                self.write(&bytes, last_seq)?;
                bytes.clear();
                tokio::task::yield_now().await;
            }
        }
        if !bytes.is_empty() {
            self.write(&bytes, last_seq)?;
        }
        Ok(())
    }

    /// Makes room where the sandbox has used its quota: first of ended execs, then of this one.
    async fn keep_quota(&mut self) -> io::Result<()> {
        if !self.usage.should_evict() {
            return Ok(());
        }
        let usage = Arc::clone(&self.usage);
        tokio::task::spawn_blocking(move || usage.evict()).await.map_err(io::Error::other)??;
        if self.usage.over() {
            self.usage.subtract(self.layout.remove_before()?);
            self.truncated |= self.current.as_ref().is_some_and(|current| current.index > 0);
        }
        Ok(())
    }
}

#[async_trait]
impl ExecLogWriter for Writer {
    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    async fn append(&mut self, events: &[ExecEvent]) -> Result<(), ExecLogError> {
        if self.usage.removed() {
            return Ok(());
        }
        self.append_some(events).await.map_err(failed("written"))?;
        self.keep_quota().await.map_err(failed("written"))
    }

    fn truncated(&self) -> bool {
        self.truncated
    }
}
