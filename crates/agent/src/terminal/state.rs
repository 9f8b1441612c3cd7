//! One terminal: what it showed, who looks at it, and how it stands.

use std::io;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::Pid;
use tokio::sync::Notify;

use super::pty::{Pty, Size};
use super::scrollback::{SCROLLBACK_BYTES_MAX, Scrollback};
use crate::clock::{Instant, now};
use crate::lock::lock;

/// The viewer that is furthest ahead does not read when it has taken nothing for so long, though there was something. Any
/// other is waited for this long at a time.
const STALL: Duration = Duration::from_secs(1);
/// With more than this before it a viewer is slower than the program, in bytes.
const SLOW_BYTES: usize = SCROLLBACK_BYTES_MAX / 2;
/// What is read before anybody is told, in bytes; with less room than this the terminal is not read.
pub(super) const BATCH_BYTES: usize = 32 << 10;

/// A terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) name: String,
    pub(crate) generation: u64,
    pub(crate) created_ms: i64,
    /// Absent where no process could be made.
    pub(crate) pid: Option<Pid>,
    /// How long it outlives its last viewer; for ever where absent.
    pub(crate) linger: Option<Duration>,
    /// Told when viewers took something, came or went, and when it is to be closed.
    pub(crate) news: Notify,
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Absent once its program has ended.
    pty: Option<Arc<Pty>>,
    scrollback: Scrollback,
    size: Size,
    /// Counts changes of the size.
    sizes: u64,
    closing: bool,
    end: Option<End>,
    viewers: Vec<Viewer>,
    next_ticket: u64,
    /// Since when nobody looks.
    unseen: Instant,
}

/// How its program ended, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) code: i32,
    pub(crate) at: Instant,
}

#[derive(Debug)]
struct Viewer {
    ticket: u64,
    /// Number of the byte that it takes next.
    next: u64,
    /// Since when there is something that it has not taken.
    behind: Option<Instant>,
    /// Since when that is more than [`SLOW_BYTES`].
    slow: Option<Instant>,
    waker: Option<Waker>,
}

impl Viewer {
    /// Notes how much there is before it.
    fn note(&mut self, end: u64, at: Instant) {
        let before = end.saturating_sub(self.next);
        if before == 0 {
            self.behind = None;
        } else {
            self.behind.get_or_insert(at);
        }
        if before > u64::try_from(SLOW_BYTES).unwrap_or(u64::MAX) {
            self.slow.get_or_insert(at);
        } else {
            self.slow = None;
        }
    }
}

/// What a viewer is told next.
#[derive(Debug)]
pub(crate) enum Shown {
    Output(u64, Bytes),
    Resized(Size),
    Exit(i32),
}

/// What is fixed from the start.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) generation: u64,
    pub(crate) pid: Option<Pid>,
    pub(crate) linger: Option<Duration>,
    pub(crate) size: Size,
}

impl Terminal {
    pub(crate) fn new(made: Made, pty: Option<Arc<Pty>>) -> Self {
        let Made { name, generation, pid, linger, size } = made;
        let state = State {
            pty,
            scrollback: Scrollback::default(),
            size,
            sizes: 0,
            closing: false,
            end: None,
            viewers: Vec::new(),
            next_ticket: 0,
            unseen: now(),
        };
        Self {
            name,
            generation,
            created_ms: crate::clock::wall_ms(),
            pid,
            linger,
            news: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn end(&self) -> Option<End> {
        lock(&self.state).end
    }

    pub(crate) fn size(&self) -> Size {
        lock(&self.state).size
    }

    pub(crate) fn viewers(&self) -> usize {
        lock(&self.state).viewers.len()
    }

    /// Its program wrote this.
    pub(crate) fn push(&self, came: &[u8]) {
        self.change(|state| {
            state.scrollback.push(came);
            let (end, at) = (state.scrollback.end(), now());
            state.viewers.iter_mut().for_each(|viewer| viewer.note(end, at));
        });
    }

    /// Its program has ended: nothing more comes, and whatever else holds the terminal is hung up.
    pub(crate) fn finish(&self, code: i32) {
        self.change(|state| {
            state.pty = None;
            state.end = Some(End { code, at: now() });
        });
    }

    /// Changes something that viewers may wait for, and wakes them.
    fn change(&self, act: impl FnOnce(&mut State)) {
        let wakers: Vec<Waker> = {
            let mut state = lock(&self.state);
            act(&mut state);
            state.viewers.iter_mut().filter_map(|viewer| viewer.waker.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Changes the size.
    pub(crate) fn resize(&self, size: Size) -> io::Result<()> {
        let pty = lock(&self.state).pty.clone();
        let Some(pty) = pty.filter(|_| size != self.size()) else { return Ok(()) };
        pty.resize(size)?;
        self.change(|state| {
            state.size = size;
            state.sizes += 1;
        });
        Ok(())
    }

    /// Whether it may be read now; else until when at most to wait for its viewers. The one that is furthest ahead is waited
    /// for while it reads at all, so that a slow line loses nothing; the others only for a moment, so that none of them
    /// slows the first down to its own pace.
    pub(crate) fn room(&self) -> Result<(), Instant> {
        let state = lock(&self.state);
        let (at, end) = (now(), state.scrollback.end());
        let reads = |viewer: &&Viewer| viewer.behind.is_none_or(|since| at < since + STALL);
        let first = state.viewers.iter().filter(reads).max_by_key(|viewer| viewer.next);
        let first = first.map(|viewer| viewer.ticket);
        let lacks_room = |viewer: &&Viewer| {
            let held = usize::try_from(end.saturating_sub(viewer.next)).unwrap_or(usize::MAX);
            held.saturating_add(BATCH_BYTES) > SCROLLBACK_BYTES_MAX
        };
        let limit = |viewer: &Viewer| {
            let since = if Some(viewer.ticket) == first { viewer.behind } else { viewer.slow };
            since.map(|since| since + STALL).filter(|limit| at < *limit)
        };
        state.viewers.iter().filter(lacks_room).filter_map(limit).min().map_or(Ok(()), Err)
    }

    /// When nobody will have looked for too long.
    pub(crate) fn lonely_at(&self) -> Option<Instant> {
        let linger = self.linger?;
        let state = lock(&self.state);
        state.viewers.is_empty().then_some(state.unseen)?.checked_add(linger)
    }

    /// It is to be hung up.
    pub(crate) fn ask_to_close(&self) {
        lock(&self.state).closing = true;
        self.news.notify_one();
    }

    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.state).closing
    }

    /// Types, waiting while the program does not read; false when it has ended.
    ///
    /// # Cancel safety
    /// A part may have been typed.
    pub(crate) async fn write(&self, mut bytes: Bytes) -> bool {
        let _turn = self.turn.lock().await;
        while !bytes.is_empty() {
            let Some(pty) = lock(&self.state).pty.clone() else { return false };
            match pty.write(&bytes) {
                Ok(n) => drop(bytes.split_to(n)),
                // A terminal that is hung up counts as writable.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => pty.writable().await,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// A new viewer, which begins at `offset`, or with all that is kept: its ticket, where it begins, and the end so far.
    pub(crate) fn enter(&self, offset: Option<u64>) -> (u64, u64, u64) {
        let mut state = lock(&self.state);
        let (start, end) = (state.scrollback.start(), state.scrollback.end());
        let next = offset.map_or_else(|| state.scrollback.replay_start(), |offset| offset.clamp(start, end));
        state.next_ticket += 1;
        let ticket = state.next_ticket;
        let mut viewer = Viewer { ticket, next, behind: None, slow: None, waker: None };
        viewer.note(end, now());
        state.viewers.push(viewer);
        (ticket, next, end)
    }

    /// A viewer has gone.
    pub(crate) fn leave(&self, ticket: u64) {
        {
            let mut state = lock(&self.state);
            state.viewers.retain(|viewer| viewer.ticket != ticket);
            state.unseen = now();
        }
        self.news.notify_one();
    }

    /// How many times the size has changed.
    pub(crate) fn sizes(&self) -> u64 {
        lock(&self.state).sizes
    }

    /// What a viewer sees next; nothing, and `waker` is woken later, when there is nothing yet.
    pub(crate) fn show(&self, ticket: u64, sizes: &mut u64, max: usize, waker: &Waker) -> Option<Shown> {
        let mut state = lock(&self.state);
        let State { scrollback, viewers, size, sizes: sizes_now, end, .. } = &mut *state;
        if *sizes != *sizes_now {
            *sizes = *sizes_now;
            return Some(Shown::Resized(*size));
        }
        let viewer = viewers.iter_mut().find(|viewer| viewer.ticket == ticket)?;
        if viewer.next < scrollback.end() {
            let (offset, data) = scrollback.read(viewer.next, max);
            viewer.next = offset + u64::try_from(data.len()).unwrap_or(0);
            viewer.behind = None;
            viewer.note(scrollback.end(), now());
            self.news.notify_one();
            return Some(Shown::Output(offset, data));
        }
        if let Some(end) = end {
            return Some(Shown::Exit(end.code));
        }
        viewer.waker = Some(waker.clone());
        None
    }
}
