//! What one side knows of an attach: its streams, and what is to be sent. No input or output is done here.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::task::Waker;

use crate::frame::{FRAME_BYTES_MAX, Header, Kind, PAYLOAD_BYTES_MAX, put};

/// Most streams at once.
pub const STREAMS_MAX: usize = 16;
/// How much of one stream may be under way in one direction, and wait unread, in bytes: what takes a millisecond there and
/// back still carries 128 MB/s.
pub const WINDOW_BYTES: u32 = 128 << 10;
/// How much of one stream waits to be sent, in bytes: some frames.
const SENDING_BYTES_MAX: usize = 64 << 10;
/// The other side is told of room once so much is free, in bytes: a frame for each read would be a second stream.
const WINDOW_STEP_BYTES: u32 = WINDOW_BYTES / 4;
/// Streams that are known, those included that are over and still held by whoever uses them: as many again.
const KNOWN_MAX: usize = 2 * STREAMS_MAX;
/// Refusals that wait to be sent. A host has no more streams than that under way.
const REFUSED_MAX: usize = 4 * STREAMS_MAX;
/// Frames are put together until they are so long, in bytes: one of the largest, or many small ones in one write.
const BATCH_BYTES: usize = PAYLOAD_BYTES_MAX;

/// Which end this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Attaches and opens streams.
    Host,
    /// Is attached to.
    Guest,
}

/// How far this side is with ending its direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fin {
    Open,
    Wanted,
    Sent,
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) received: VecDeque<u8>,
    /// What the other side may still send, in bytes.
    room: u32,
    /// What was read, and the other side was not told yet, in bytes.
    pub(crate) consumed: u32,
    pub(crate) fin_received: bool,
    sending: VecDeque<u8>,
    /// What this side may still send, in bytes.
    credit: u32,
    pub(crate) fin: Fin,
    open_due: bool,
    reset_due: bool,
    /// Over, whichever side said so.
    pub(crate) reset: bool,
    /// Somebody holds its [`crate::Stream`].
    held: bool,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

impl Entry {
    fn new(open_due: bool, held: bool) -> Self {
        Self {
            received: VecDeque::new(),
            room: WINDOW_BYTES,
            consumed: 0,
            fin_received: false,
            sending: VecDeque::new(),
            credit: WINDOW_BYTES,
            fin: Fin::Open,
            open_due,
            reset_due: false,
            reset: false,
            held,
            reader: None,
            writer: None,
        }
    }

    /// Whether neither side has anything more to say.
    const fn is_over(&self) -> bool {
        self.reset || (matches!(self.fin, Fin::Sent) && self.fin_received)
    }

    fn is_needed(&self) -> bool {
        self.held || self.reset_due || !self.is_over()
    }

    /// Ends it. What was received before can still be read.
    fn end(&mut self) {
        self.reset = true;
        self.sending = VecDeque::new();
        self.wake();
    }

    /// Ends it from this side.
    fn refuse(&mut self) {
        self.reset_due = true;
        self.end();
    }

    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }

    /// Takes as much of `bytes` as there is room for.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(SENDING_BYTES_MAX.saturating_sub(self.sending.len()));
        self.sending.extend(&bytes[..taken]);
        taken
    }

    /// Gives what was received, as far as it fits. What waits keeps no more memory than it needs.
    pub(crate) fn give(&mut self, mut give: impl FnMut(&[u8]) -> usize) -> usize {
        let given = give(self.received.as_slices().0);
        drop(self.received.drain(..given));
        if self.received.is_empty() {
            self.received = VecDeque::new();
        }
        self.consumed = self.consumed.saturating_add(u32::try_from(given).unwrap_or(u32::MAX));
        given
    }

    /// Whether the other side is to be told that there is room.
    pub(crate) const fn window_due(&self) -> bool {
        self.consumed >= WINDOW_STEP_BYTES && !self.fin_received && !self.is_over()
    }

    fn has_to_say(&self) -> bool {
        !self.is_over()
            && if self.sending.is_empty() { matches!(self.fin, Fin::Wanted) } else { self.credit > 0 }
    }
}

/// What a received frame means for whoever drives the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is dealt with.
    None,
    /// Something is to be sent.
    Send,
    /// A stream waits to be accepted.
    Opened,
    /// The guest has answered the hello.
    Greeted,
    /// The attach is over.
    Lost,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct State {
    side: Side,
    /// Counts attaches, so that a stream of one before is known.
    pub(crate) epoch: u64,
    /// Of the attach; nothing while there is none.
    nonce: Option<u64>,
    sent: u32,
    received: u32,
    hello_due: bool,
    lost_due: Option<u64>,
    refused: VecDeque<u32>,
    /// Number of the last stream that was opened.
    last: u32,
    opened: VecDeque<u32>,
    pub(crate) entries: BTreeMap<u32, Entry>,
    /// The stream that had its turn last.
    turn: u32,
}

impl State {
    pub(crate) fn new(side: Side, nonce: Option<u64>) -> Self {
        Self {
            side,
            epoch: 0,
            nonce,
            sent: 0,
            received: 0,
            // Before all else.
            hello_due: matches!(side, Side::Host),
            lost_due: None,
            refused: VecDeque::new(),
            last: 0,
            opened: VecDeque::new(),
            entries: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Whether there is an attach. Of a host: whether it is not over.
    pub(crate) const fn is_attached(&self) -> bool {
        self.nonce.is_some()
    }

    /// A hello is to be sent.
    pub(crate) const fn greet(&mut self) {
        self.hello_due = true;
    }

    /// Opens a stream.
    pub(crate) fn open(&mut self) -> io::Result<u32> {
        if self.side == Side::Guest {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "only the host opens streams"));
        }
        if !self.is_attached() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the link is closed"));
        }
        let next = self.last.checked_add(1).filter(|_| self.has_place());
        let Some(id) = next else {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "16 streams are open"));
        };
        self.last = id;
        self.entries.insert(id, Entry::new(true, true));
        Ok(id)
    }

    fn has_place(&self) -> bool {
        let live = self.entries.values().filter(|entry| !entry.is_over()).count();
        live < STREAMS_MAX && self.entries.len() < KNOWN_MAX
    }

    /// The next stream that the host has opened.
    pub(crate) fn accept(&mut self) -> Option<u32> {
        let id = self.opened.pop_front()?;
        self.entries.get_mut(&id).map(|entry| entry.held = true)?;
        Some(id)
    }

    /// The stream is not held any more; whether the other side is to be told.
    pub(crate) fn drop_stream(&mut self, id: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        entry.held = false;
        entry.received = VecDeque::new();
        if !entry.is_over() && !entry.open_due {
            entry.refuse();
        }
        let tell = entry.reset_due;
        if entry.open_due || !entry.is_needed() {
            self.entries.remove(&id);
        }
        tell
    }

    /// The attach is over, if there was one: so are its streams.
    pub(crate) fn end_attach(&mut self) {
        self.nonce = None;
        self.epoch += 1;
        (self.sent, self.received, self.last, self.turn) = (0, 0, 0, 0);
        self.hello_due = false;
        self.refused = VecDeque::new();
        self.opened = VecDeque::new();
        std::mem::take(&mut self.entries).values_mut().for_each(Entry::wake);
    }

    // ---- what comes ----

    /// A frame has come.
    pub(crate) fn apply(&mut self, header: Header, payload: &[u8]) -> Effect {
        if header.kind == Kind::Hello {
            return self.greeted(header.nonce);
        }
        if self.nonce != Some(header.nonce) {
            return Effect::None;
        }
        // One that says so may have lost count of its own frames.
        if self.side == Side::Host && header.kind == Kind::Lost {
            return Effect::Lost;
        }
        self.received = self.received.wrapping_add(1);
        if header.sequence != self.received {
            return self.lose();
        }
        match (self.side, header.kind) {
            (Side::Guest, Kind::Open) => self.opened_by_host(header.stream),
            (_, Kind::Data | Kind::Window | Kind::Fin | Kind::Reset) => self.of_stream(header, payload),
            // What the other side has no right to say.
            _ => Effect::None,
        }
    }

    fn greeted(&mut self, nonce: u64) -> Effect {
        let known = self.nonce == Some(nonce);
        match self.side {
            Side::Host if known => Effect::Greeted,
            Side::Host => Effect::None,
            Side::Guest => {
                // The same hello comes again where the answer takes long.
                if !known {
                    self.end_attach();
                    self.nonce = Some(nonce);
                }
                self.hello_due = true;
                Effect::Send
            }
        }
    }

    /// Frames are missing: what comes has gaps.
    fn lose(&mut self) -> Effect {
        if self.side == Side::Guest {
            self.lost_due = self.nonce;
            self.end_attach();
        }
        Effect::Lost
    }

    fn opened_by_host(&mut self, id: u32) -> Effect {
        if id <= self.last {
            return Effect::None;
        }
        self.last = id;
        if self.has_place() {
            self.entries.insert(id, Entry::new(false, false));
            self.opened.push_back(id);
            return Effect::Opened;
        }
        if self.refused.len() == REFUSED_MAX {
            return self.lose();
        }
        self.refused.push_back(id);
        Effect::Send
    }

    fn of_stream(&mut self, header: Header, payload: &[u8]) -> Effect {
        // One that is over here may not be there yet.
        let Some(entry) = self.entries.get_mut(&header.stream).filter(|entry| !entry.is_over()) else {
            return Effect::None;
        };
        let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        match header.kind {
            Kind::Data if entry.fin_received || bytes > entry.room => entry.refuse(),
            Kind::Data => {
                entry.room -= bytes;
                entry.received.extend(payload);
                entry.reader.take().into_iter().for_each(Waker::wake);
            }
            Kind::Window => entry.credit = entry.credit.saturating_add(header.argument).min(WINDOW_BYTES),
            Kind::Fin => {
                entry.fin_received = true;
                entry.reader.take().into_iter().for_each(Waker::wake);
            }
            _ => entry.end(),
        }
        // A window may let something go, and a refusal has to.
        let effect = if entry.reset_due || header.kind == Kind::Window { Effect::Send } else { Effect::None };
        if entry.reset {
            self.opened.retain(|id| *id != header.stream);
        }
        self.forget(header.stream);
        effect
    }

    fn forget(&mut self, id: u32) {
        if self.entries.get(&id).is_some_and(|entry| !entry.is_needed()) {
            self.entries.remove(&id);
        }
    }

    // ---- what goes ----

    /// Appends what is to be sent next: all short frames, and then data until it is enough for one write.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>) {
        if let Some(nonce) = self.lost_due.take() {
            put(out, Header { nonce, sequence: 0, stream: 0, kind: Kind::Lost, argument: 0 }, [b"", b""]);
        }
        let Some(nonce) = self.nonce else { return };
        if std::mem::take(&mut self.hello_due) {
            if self.side == Side::Host {
                // Whatever was cut before is over then.
                out.resize(out.len() + FRAME_BYTES_MAX, 0);
            }
            put(out, Header { nonce, sequence: 0, stream: 0, kind: Kind::Hello, argument: 0 }, [b"", b""]);
        }
        self.fill_short(out);
        while out.len() < BATCH_BYTES && self.fill_data(out) {}
    }

    fn fill_short(&mut self, out: &mut Vec<u8>) {
        while let Some(id) = self.refused.pop_front() {
            self.put(out, id, Kind::Reset, 0);
        }
        let ids: Vec<u32> = self.entries.keys().copied().collect();
        for id in ids {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let (open, reset) = (std::mem::take(&mut entry.open_due), std::mem::take(&mut entry.reset_due));
            let window = if entry.window_due() { std::mem::take(&mut entry.consumed) } else { 0 };
            entry.room = entry.room.saturating_add(window).min(WINDOW_BYTES);
            if open {
                self.put(out, id, Kind::Open, 0);
            }
            if window > 0 {
                self.put(out, id, Kind::Window, window);
            }
            if reset {
                self.put(out, id, Kind::Reset, 0);
                self.forget(id);
            }
        }
    }

    /// Appends a frame of the stream whose turn it is; false when none has anything to say.
    fn fill_data(&mut self, out: &mut Vec<u8>) -> bool {
        let after = self.turn.saturating_add(1);
        let mut in_turn = self.entries.range(after..).chain(self.entries.range(..after));
        let next = in_turn.find(|(_, entry)| entry.has_to_say()).map(|(id, _)| *id);
        let Some((id, entry)) = next.and_then(|id| Some((id, self.entries.get_mut(&id)?))) else {
            return false;
        };
        self.turn = id;
        let credit = usize::try_from(entry.credit).unwrap_or(usize::MAX);
        let bytes = entry.sending.len().min(PAYLOAD_BYTES_MAX).min(credit);
        if bytes == 0 {
            entry.fin = Fin::Sent;
            entry.writer.take().into_iter().for_each(Waker::wake);
            self.put(out, id, Kind::Fin, 0);
            self.forget(id);
            return true;
        }
        self.sent = self.sent.wrapping_add(1);
        let (first, second) = entry.sending.as_slices();
        let first = first.get(..bytes).unwrap_or(first);
        let second = second.get(..bytes - first.len()).unwrap_or_default();
        let nonce = self.nonce.unwrap_or_default();
        let header = Header { nonce, sequence: self.sent, stream: id, kind: Kind::Data, argument: 0 };
        put(out, header, [first, second]);
        drop(entry.sending.drain(..bytes));
        if entry.sending.is_empty() {
            entry.sending = VecDeque::new();
        }
        entry.credit -= u32::try_from(bytes).unwrap_or(entry.credit);
        entry.writer.take().into_iter().for_each(Waker::wake);
        true
    }

    fn put(&mut self, out: &mut Vec<u8>, stream: u32, kind: Kind, argument: u32) {
        self.sent = self.sent.wrapping_add(1);
        let nonce = self.nonce.unwrap_or_default();
        put(out, Header { nonce, sequence: self.sent, stream, kind, argument }, [b"", b""]);
    }
}
