//! Reading one log, while it is written or later.

use std::io;

use async_trait::async_trait;
use atoll_ports::{ExecLogError, ExecLogReader, LogPage};
use atoll_types::ExecEvent;

use crate::layout::Layout;
use crate::logs::failed;
use crate::segment::Segment;

/// Bytes behind a reader that it reads on the caller's thread: they were written lately, so they are in the page cache.
/// More is read on a thread that may wait for the disk.
const INLINE_BYTES: u64 = 256 << 10;

/// A place in a log.
#[derive(Debug)]
struct Place {
    layout: Layout,
    segment: Option<Segment>,
    after_seq: u64,
    first_held: Option<u64>,
}

impl Place {
    fn enter(&mut self, mut segment: Segment) -> io::Result<()> {
        segment.skip_to(self.after_seq)?;
        self.segment = Some(segment);
        Ok(())
    }

    /// What the oldest segment that is held says about those before it.
    fn note_oldest(&mut self, oldest: &Segment) {
        self.first_held = (oldest.header.index > 0).then_some(oldest.header.last_seq + 1);
    }

    /// Goes to the oldest segment that is held and has a number of at least `index`; false when there is none.
    fn enter_from(&mut self, index: u64) -> io::Result<bool> {
        let held = Segment::open_held(&self.layout)?;
        if let Some(oldest) = held.first() {
            self.note_oldest(oldest);
        }
        let next = held.into_iter().find(|segment| segment.header.index >= index);
        next.map(|segment| self.enter(segment)).transpose().map(|entered| entered.is_some())
    }

    fn ahead(&self) -> io::Result<u64> {
        self.segment.as_ref().map_or(Ok(0), Segment::ahead)
    }

    /// The first event of a page: of any length, and from the next segment where this one is over.
    fn first_event(&mut self) -> io::Result<Option<ExecEvent>> {
        if self.segment.is_none() && !self.enter_from(0)? {
            return Ok(None);
        }
        loop {
            let Some(segment) = self.segment.as_mut() else { return Ok(None) };
            let index = segment.header.index;
            if let Some(event) = segment.next_event(|_, _| true)? {
                return Ok(Some(event));
            }
            if !self.is_over(index)? {
                return Ok(None);
            }
            // The next segment exists, so this one is complete now: what was written to it in between comes first.
            let Some(segment) = self.segment.as_mut() else { return Ok(None) };
            if let Some(event) = segment.next_event(|_, _| true)? {
                return Ok(Some(event));
            }
            if !self.enter_from(index + 1)? {
                return Ok(None);
            }
        }
    }

    /// One more event of a page: it fits, and follows without a gap, in the same segment.
    fn another_event(&mut self, bytes_max: usize) -> io::Result<Option<ExecEvent>> {
        let next_seq = self.after_seq + 1;
        let fits = |len: usize, seq: u64| len <= bytes_max && seq == next_seq;
        self.segment.as_mut().map_or(Ok(None), |segment| segment.next_event(fits))
    }

    fn is_over(&self, index: u64) -> io::Result<bool> {
        let current = Segment::open(&self.layout.current)?;
        Ok(current.is_some_and(|current| current.header.index > index))
    }

    fn page(&mut self, bytes_max: usize) -> io::Result<LogPage> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut next = self.first_event()?;
        while let Some(event) = next {
            bytes += crate::record::output(&event).map_or(0, |(_, output)| output.len());
            self.after_seq = event.seq;
            events.push(event);
            next = if bytes < bytes_max { self.another_event(bytes_max - bytes)? } else { None };
        }
        Ok(LogPage { events, first_held: self.first_held })
    }
}

/// Reads one log.
#[derive(Debug)]
pub(crate) struct Reader {
    layout: Layout,
    after_seq: u64,
    /// Gone when a call was dropped while another thread read; then the next call finds the place again.
    place: Option<Place>,
}

impl Reader {
    /// For events numbered greater than `after_seq`.
    pub(crate) fn new(layout: Layout, after_seq: u64) -> Self {
        Self { layout, after_seq, place: None }
    }

    async fn next_page(&mut self, max_bytes: usize) -> io::Result<LogPage> {
        let mut place = self.place.take().unwrap_or_else(|| Place {
            layout: self.layout.clone(),
            segment: None,
            after_seq: self.after_seq,
            first_held: None,
        });
        if place.segment.is_none() {
            place.enter_from(0)?;
        }
        let page = if place.ahead()? <= INLINE_BYTES {
            place.page(max_bytes)
        } else {
            let read = move || {
                let page = place.page(max_bytes);
                (place, page)
            };
            let (back, page) = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?;
            place = back;
            page
        }?;
        self.after_seq = place.after_seq;
        self.place = Some(place);
        Ok(page)
    }
}

#[async_trait]
impl ExecLogReader for Reader {
    /// Cancel safe: a call that is dropped has taken nothing.
    async fn next(&mut self, max_bytes: usize) -> Result<LogPage, ExecLogError> {
        self.next_page(max_bytes).await.map_err(failed("read"))
    }
}
