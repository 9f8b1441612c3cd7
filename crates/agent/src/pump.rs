//! Carries a command's output from its pipes into its ring, keeps its time limit, and tells its end.
//!
//! ```text
//! running ──(leader reaped)──► draining ──(pipes closed, or quiet)──► exit recorded
//!    └──(time limit)──► TERM to the group ──(2 s)──► KILL ──► as above
//! ```
//! While the ring has no room the pipes are not read, and the command waits in its write. When the leader has ended,
//! what it wrote is all in the pipes: that much is read whatever it takes. Then the pipes are read on while children
//! of the leader still write, for [`QUIET`] after the last byte and [`DRAIN_MAX`] at most. Whoever goes on in the
//! background after that keeps running, and gets EPIPE when it writes to what was the exec's output.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use atoll_agent_protocol::v1::{Exit, event::Kind, output::Stream};
use atoll_agent_protocol::{OUTPUT_BYTES_MAX, exec_output};
use bytes::Bytes;
use rustix::process::Signal;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;

use crate::agent::Agent;
use crate::clock::{Instant, now};
use crate::exec::Exec;
use crate::sys::OutputPipe;
use crate::terminal::pty::Pty;
use crate::utf8::{HELD_MAX, incomplete_tail};

/// How long after the leader's end nothing must come before the output counts as complete.
const QUIET: Duration = Duration::from_millis(50);
/// Longest time after the leader's end that output of its children is still taken.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// From TERM to KILL.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// With less room than this the pipes wait, in bytes: a full ring is not topped up by crumbs, each with its own event.
const READ_BYTES_MIN: usize = 4 << 10;
/// Exit code where the kernel's answer got lost; never seen.
const CODE_UNKNOWN: i32 = 255;
/// Reads from each pipe at once when the leader has ended: what a full pipe holds, and its end.
const READS_AT_END: usize = 2;

/// Where output comes from.
#[derive(Debug)]
enum Input {
    Pipe(Receiver),
    Terminal(Arc<Pty>),
}

impl Input {
    async fn readable(&self) {
        match self {
            Self::Pipe(pipe) => drop(pipe.readable().await),
            Self::Terminal(pty) => pty.readable().await,
        }
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.try_read(buffer),
            Self::Terminal(pty) => pty.read(buffer),
        }
    }

    /// Past the event loop, which need not be asked.
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => Ok(rustix::io::read(pipe, buffer)?),
            Self::Terminal(pty) => pty.read_now(buffer),
        }
    }

    fn waiting(&self) -> io::Result<u64> {
        match self {
            Self::Pipe(pipe) => Ok(rustix::io::ioctl_fionread(pipe)?),
            Self::Terminal(pty) => pty.waiting(),
        }
    }
}

/// One of the two pipes, or the terminal.
#[derive(Debug)]
pub(crate) struct Source {
    pipe: Option<Input>,
    /// A copy of the command's end, until the leader has ended: the pipe would tell its closing a moment before, and wake
    /// this process for nothing, where the leader is just ending.
    write: Option<OwnedFd>,
    stream: Stream,
    /// The beginning of a character whose rest has not come.
    held: Vec<u8>,
    /// How much is to be read whatever it takes, once the leader has ended.
    owed: u64,
}

impl Source {
    pub(crate) fn new(pipe: OutputPipe, stream: Stream) -> io::Result<Self> {
        let OutputPipe { read, write } = pipe;
        let pipe = Input::Pipe(Receiver::from_owned_fd_unchecked(read)?);
        Ok(Self { pipe: Some(pipe), write: Some(write), stream, held: Vec::new(), owed: 0 })
    }

    /// Both streams of a command in a terminal.
    pub(crate) fn terminal(pty: &Arc<Pty>) -> Self {
        let pipe = Some(Input::Terminal(Arc::clone(pty)));
        Self { pipe, write: None, stream: Stream::Stdout, held: Vec::new(), owed: 0 }
    }

    /// Nothing comes from it.
    const fn closed() -> Self {
        Self { pipe: None, write: None, stream: Stream::Stderr, held: Vec::new(), owed: 0 }
    }

    async fn readable(&self) {
        match &self.pipe {
            Some(pipe) => pipe.readable().await,
            None => std::future::pending().await,
        }
    }
}

/// What the clock is watched for.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Until the limit, where there is one.
    Running(Option<Instant>),
    /// TERM was sent; KILL follows.
    Terminating(Instant),
    /// KILL was sent.
    Killed,
    /// The leader has ended with this code: quiet until, and at most until.
    Draining { code: i32, quiet: Instant, end: Instant },
}

/// The life of one command, seen from its pipes.
#[derive(Debug)]
pub(crate) struct Pump {
    agent: Arc<Agent>,
    exec: Arc<Exec>,
    sources: [Source; 2],
    /// Open until its leader has ended: one that closes its streams first, as many do at their end, would be hung up on.
    _terminal: Option<Arc<Pty>>,
    phase: Phase,
    timed_out: bool,
}

impl Pump {
    pub(crate) fn new(
        agent: Arc<Agent>,
        exec: Arc<Exec>,
        sources: [Option<Source>; 2],
        timeout: Option<Duration>,
    ) -> Self {
        let sources = sources.map(|source| source.unwrap_or_else(Source::closed));
        let limit = timeout.and_then(|timeout| now().checked_add(timeout));
        let terminal = exec.tty();
        Self { agent, exec, sources, _terminal: terminal, phase: Phase::Running(limit), timed_out: false }
    }

    /// Until the exit is recorded.
    pub(crate) async fn run(mut self, mut ended: oneshot::Receiver<i32>) {
        let code = loop {
            if let Some(code) = self.complete() {
                break code;
            }
            let agent = Arc::clone(&self.agent);
            let room = agent.budget.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            let may_read = self.room() >= READ_BYTES_MIN;
            let [stdout, stderr] = &self.sources;
            let leader_runs = !matches!(self.phase, Phase::Draining { .. });
            // Each arm only waits; what it waited for is done after.
            let woken = tokio::select! {
                biased;
                () = stdout.readable(), if may_read => Woken::Readable(0),
                () = stderr.readable(), if may_read => Woken::Readable(1),
                code = &mut ended, if leader_runs => Woken::Ended(code.unwrap_or(CODE_UNKNOWN)),
                () = sleep_until(self.deadline()) => Woken::Deadline,
                () = &mut room, if !may_read => Woken::Room,
            };
            match woken {
                Woken::Readable(index) => drop(self.read(index, Input::try_read)),
                Woken::Ended(code) => self.leader_ended(code),
                Woken::Deadline => self.deadline_passed(),
                Woken::Room => {}
            }
        };
        self.finish(code);
    }

    fn room(&self) -> usize {
        self.exec.with_ring(|ring| self.agent.budget.room(ring))
    }

    /// The exit code, when nothing more is to come.
    fn complete(&self) -> Option<i32> {
        let Phase::Draining { code, quiet, end } = self.phase else { return None };
        let closed = self.sources.iter().all(|source| source.pipe.is_none());
        let owed = self.sources.iter().any(|source| source.pipe.is_some() && source.owed > 0);
        (closed || (!owed && now() >= quiet.min(end))).then_some(code)
    }

    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running(limit) => limit,
            Phase::Terminating(kill) => Some(kill),
            Phase::Killed => None,
            Phase::Draining { quiet, end, .. } => {
                let owed = self.sources.iter().any(|source| source.pipe.is_some() && source.owed > 0);
                (!owed).then(|| quiet.min(end))
            }
        }
    }

    fn deadline_passed(&mut self) {
        let Some(pid) = self.exec.pid else { return };
        match self.phase {
            Phase::Running(_) => {
                self.timed_out = true;
                self.agent.children.kill_group_at_end(pid);
                self.agent.children.signal(pid, Signal::TERM);
                // A stopped process takes no notice before it goes on.
                self.agent.children.signal(pid, Signal::CONT);
                self.phase = Phase::Terminating(now() + TERM_GRACE);
            }
            Phase::Terminating(_) => {
                self.agent.children.signal(pid, Signal::KILL);
                self.phase = Phase::Killed;
            }
            // Looked at before the next wait.
            Phase::Killed | Phase::Draining { .. } => {}
        }
    }

    fn leader_ended(&mut self, code: i32) {
        for source in &mut self.sources {
            source.write = None;
            let waiting = source.pipe.as_ref().and_then(|pipe| pipe.waiting().ok());
            source.owed = waiting.unwrap_or(0);
        }
        let at = now();
        self.phase = Phase::Draining { code, quiet: at + QUIET, end: at + DRAIN_MAX };
        // Mostly nobody else writes, and this is all.
        for index in 0..self.sources.len() {
            let _more = (0..READS_AT_END).all(|_| self.read(index, Input::read_now));
        }
    }

    /// Reads once from a pipe; whether anything came.
    fn read(&mut self, index: usize, how: impl Fn(&Input, &mut [u8]) -> io::Result<usize>) -> bool {
        let room = self.room();
        // The others may have filled what was free when this one began to wait.
        if room < READ_BYTES_MIN {
            return false;
        }
        let Some(source) = self.sources.get_mut(index) else { return false };
        let Some(pipe) = &source.pipe else { return false };
        let wanted = room.min(OUTPUT_BYTES_MAX - HELD_MAX);
        let read = self.agent.with_scratch(|scratch| {
            let scratch = scratch.get_mut(..wanted).unwrap_or_default();
            how(pipe, scratch).map(|n| join(&mut source.held, scratch.get(..n).unwrap_or_default(), n == 0))
        });
        match read {
            Ok((0, last)) => {
                source.pipe = None;
                self.output(index, last);
            }
            Ok((n, data)) => {
                source.owed = source.owed.saturating_sub(u64::try_from(n).unwrap_or(u64::MAX));
                if let Phase::Draining { quiet, .. } = &mut self.phase {
                    *quiet = now() + QUIET;
                }
                self.output(index, data);
                return true;
            }
            // There is no more of what was owed: a terminal may have counted what it does not give.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => source.owed = 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => source.pipe = None,
        }
        false
    }

    fn output(&self, index: usize, data: Bytes) {
        let Some(source) = self.sources.get(index) else { return };
        if !data.is_empty() {
            self.agent.record(&self.exec, Kind::Output(exec_output(source.stream, data)));
        }
    }

    fn finish(mut self, code: i32) {
        self.exec.stdin.close();
        for index in 0..self.sources.len() {
            let held = self
                .sources
                .get_mut(index)
                .map(|source| std::mem::take(&mut source.held))
                .unwrap_or_default();
            self.output(index, held.into());
        }
        self.agent.record(&self.exec, Kind::Exit(Exit { code, timed_out: self.timed_out }));
    }
}

/// Why the pump woke up.
#[derive(Debug, Clone, Copy)]
enum Woken {
    Readable(usize),
    Ended(i32),
    Deadline,
    Room,
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// What was held and what came, up to where a character ends (at the end of the stream: all); the rest is held now.
/// Returns how much came, and the bytes.
fn join(held: &mut Vec<u8>, came: &[u8], at_end: bool) -> (usize, Bytes) {
    let mut whole = Vec::with_capacity(held.len() + came.len());
    whole.append(held);
    whole.extend_from_slice(came);
    if !at_end {
        let cut = whole.len() - incomplete_tail(&whole);
        held.extend_from_slice(whole.get(cut..).unwrap_or_default());
        whole.truncate(cut);
    }
    (came.len(), whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_in_two_reads_comes_whole() {
        let mut held = Vec::new();
        assert_eq!(join(&mut held, b"a\xC3", false), (2, Bytes::from_static(b"a")));
        assert_eq!(join(&mut held, b"\xA9b", false), (2, Bytes::from("éb")));
        assert_eq!(join(&mut held, b"\xC3", false), (1, Bytes::new()));
        assert_eq!(join(&mut held, b"", true), (0, Bytes::from_static(b"\xC3")));
        assert!(held.is_empty());
    }
}
