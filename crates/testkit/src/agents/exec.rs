//! One command of the fake agent: a machine that goes on as far as it can whenever something changed.

use std::collections::VecDeque;

use atoll_ports::{AgentError, EXEC_EVENT_BYTES, HeldExec, ProbeEnd, StartExec, StdinPiece};
use atoll_types::{ExecEvent, ExecEventKind, ExecExit, OutputStream, Signal, TerminalSize, Timestamp};

use super::script::{Script, Step};

/// What the events of one exec cost that are held until they are acknowledged, in bytes: as the real agent's ring.
pub(super) const RING_BYTES: usize = 1 << 20;
/// Output in one event, in bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// Standard input that nobody has read yet, in bytes: as a pipe holds.
const PIPE_BYTES: usize = 64 << 10;

/// Number of the first process of every command.
const PID: u32 = 7;

/// TERM and others end a command; these do not.
fn ends(signal: Signal) -> bool {
    !matches!(signal, Signal::Cont | Signal::Stop | Signal::Winch)
}

#[derive(Debug)]
pub(super) struct Exec {
    pub(super) start: StartExec,
    script: Script,
    ring: VecDeque<ExecEvent>,
    ring_bytes: usize,
    next_seq: u64,
    stdin: VecDeque<u8>,
    stdin_open: bool,
    /// Bytes taken of what calls brought, and whether its end was.
    stdin_taken: u64,
    stdin_ended: bool,
    pub(super) ended: bool,
    pub(super) signals: Vec<Signal>,
}

fn cost(event: &ExecEvent) -> usize {
    let data = match &event.kind {
        ExecEventKind::Output(_, data) => data.len(),
        ExecEventKind::Start | ExecEventKind::Exit(_) => 0,
    };
    data + EXEC_EVENT_BYTES
}

/// The longest beginning of at most `max` bytes that cuts no UTF-8 character.
fn cut_at(data: &[u8], max: usize) -> usize {
    if data.len() <= max {
        return data.len();
    }
    let boundary = (max.saturating_sub(3)..=max).rev().find(|at| data[*at] & 0xC0 != 0x80);
    boundary.unwrap_or(max)
}

impl Exec {
    pub(super) fn new(start: StartExec, script: Script, now: Timestamp) -> Self {
        let mut exec = Self {
            stdin: start.stdin.iter().copied().collect(),
            stdin_open: start.stdin_open,
            stdin_taken: 0,
            stdin_ended: false,
            start,
            script,
            ring: VecDeque::new(),
            ring_bytes: 0,
            next_seq: 1,
            ended: false,
            signals: Vec::new(),
        };
        exec.push(now, ExecEventKind::Start);
        exec.advance(now);
        exec
    }

    fn push(&mut self, time: Timestamp, kind: ExecEventKind) {
        let event = ExecEvent { seq: self.next_seq, time, kind };
        self.ring_bytes += cost(&event);
        self.ring.push_back(event);
        self.next_seq += 1;
    }

    /// Writes a piece of `data` and keeps the rest; false when the ring has no room.
    fn write(&mut self, now: Timestamp, stream: OutputStream, data: &mut Vec<u8>) -> bool {
        while !data.is_empty() {
            let room = RING_BYTES.saturating_sub(self.ring_bytes + EXEC_EVENT_BYTES);
            let len = cut_at(data, CHUNK_BYTES);
            if len > room {
                return false;
            }
            let rest = data.split_off(len);
            self.push(now, ExecEventKind::Output(stream, std::mem::replace(data, rest)));
        }
        true
    }

    /// Goes on until it ends or has to wait for room, input or a release.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while !self.ended {
            match self.script.steps.pop_front() {
                None => self.end(now, self.script.code, false),
                Some(Step::Output(stream, mut data)) => {
                    if !self.write(now, stream, &mut data) {
                        self.script.steps.push_front(Step::Output(stream, data));
                        return;
                    }
                }
                Some(Step::Cat) => {
                    let mut data: Vec<u8> = self.stdin.drain(..).collect();
                    let wrote = self.write(now, OutputStream::Stdout, &mut data);
                    self.stdin.extend(data);
                    if !wrote || self.stdin_open {
                        self.script.steps.push_front(Step::Cat);
                        return;
                    }
                }
                Some(Step::Hold) => {
                    self.script.steps.push_front(Step::Hold);
                    return;
                }
            }
        }
    }

    fn end(&mut self, now: Timestamp, code: i32, timed_out: bool) {
        self.ended = true;
        self.stdin_open = false;
        self.push(now, ExecEventKind::Exit(ExecExit { code, timed_out }));
    }

    /// Lets it go on behind a hold.
    pub(super) fn release(&mut self, now: Timestamp) {
        if matches!(self.script.steps.front(), Some(Step::Hold)) {
            self.script.steps.pop_front();
        }
        self.advance(now);
    }

    /// Its time limit is over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if !self.ended {
            self.end(now, 128 + Signal::Term.number(), true);
        }
    }

    /// Has a new size, where it has a terminal.
    pub(super) fn resize(&mut self, size: TerminalSize) -> Result<(), AgentError> {
        let tty = self.start.tty.as_mut().filter(|_| !self.ended);
        *tty.ok_or(AgentError::StdinClosed)? = size;
        Ok(())
    }

    pub(super) fn signal(&mut self, now: Timestamp, signal: Signal) {
        if self.ended {
            return;
        }
        self.signals.push(signal);
        if signal == Signal::Kill || (ends(signal) && !self.script.ignores_signals) {
            self.end(now, 128 + signal.number(), false);
        }
    }

    /// False: the pipe is full, try again later.
    pub(super) fn stdin(&mut self, now: Timestamp, piece: &StdinPiece) -> Result<bool, AgentError> {
        let not_next = AgentError::StdinOffset { expected: self.stdin_taken };
        let skipped = self.stdin_taken.checked_sub(piece.offset.unwrap_or(self.stdin_taken));
        let skipped =
            skipped.and_then(|skipped| usize::try_from(skipped).ok()).ok_or_else(|| not_next.clone())?;
        if piece.eof && skipped > piece.data.len() {
            return Err(not_next);
        }
        let data = piece.data.get(skipped..).unwrap_or_default();
        if piece.offset.is_some() && data.is_empty() && (self.stdin_ended || !piece.eof) {
            return Ok(true);
        }
        if !self.stdin_open {
            return Err(AgentError::StdinClosed);
        }
        if !self.stdin.is_empty() && self.stdin.len() + data.len() > PIPE_BYTES {
            return Ok(false);
        }
        self.stdin.extend(data);
        self.stdin_taken += u64::try_from(data.len()).unwrap_or_default();
        (self.stdin_open, self.stdin_ended) = (!piece.eof, piece.eof);
        self.advance(now);
        Ok(true)
    }

    /// Drops what is acknowledged; true when the exit is, and the command can be forgotten.
    pub(super) fn ack(&mut self, now: Timestamp, seq: u64) -> bool {
        while self.ring.front().is_some_and(|e| e.seq <= seq) {
            let dropped = self.ring.pop_front().as_ref().map_or(0, cost);
            self.ring_bytes -= dropped;
        }
        if self.ended && self.ring.is_empty() {
            return true;
        }
        self.advance(now);
        false
    }

    pub(super) fn first_seq(&self) -> u64 {
        self.ring.front().map_or(self.next_seq, |e| e.seq)
    }

    /// The event of this number, when it is there already.
    pub(super) fn event(&self, seq: u64) -> Option<ExecEvent> {
        let at = seq.checked_sub(self.first_seq())?;
        self.ring.get(usize::try_from(at).ok()?).cloned()
    }

    /// How it ended, if it has, with the end of what it wrote.
    pub(super) fn probed(&self) -> Option<ProbeEnd> {
        let mut output = Vec::new();
        for event in &self.ring {
            match &event.kind {
                ExecEventKind::Start => {}
                ExecEventKind::Output(_, data) => output.extend_from_slice(data),
                ExecEventKind::Exit(exit) => {
                    output.drain(..output.len().saturating_sub(ProbeEnd::OUTPUT_BYTES_MAX));
                    return Some(ProbeEnd { exit: exit.clone(), output });
                }
            }
        }
        None
    }

    pub(super) fn held(&self) -> HeldExec {
        HeldExec {
            exec: self.start.exec.clone(),
            kind: self.start.kind,
            running: !self.ended,
            first_seq: self.first_seq(),
            last_seq: self.next_seq - 1,
            pid: (!self.ended).then_some(PID),
        }
    }
}
