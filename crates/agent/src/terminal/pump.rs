//! Carries what a terminal's program writes into the scrollback, and tells its end.
//!
//! ```text
//! running ──(leader reaped)──► draining ──(hung up, or quiet)──► ended
//!    └──(closed, or nobody looks any more)──► HUP ──(2 s)──► KILL ──► as above
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::sync::oneshot;

use super::pty::Pty;
use super::state::{BATCH_BYTES, Terminal};
use crate::agent::Agent;
use crate::clock::{Instant, now};

/// How long after the leader's end nothing must come before all counts as shown.
const QUIET: Duration = Duration::from_millis(50);
/// Longest time after the leader's end that anything is still shown.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// From HUP to KILL.
const HANG_UP_GRACE: Duration = Duration::from_secs(2);
/// Exit code where the kernel's answer got lost; never seen.
const CODE_UNKNOWN: i32 = 255;

/// What the clock is watched for.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Running,
    /// HUP was sent; KILL follows.
    HungUp(Instant),
    Killed,
    /// The leader has ended with this code: quiet until, and at most until.
    Draining {
        code: i32,
        quiet: Instant,
        end: Instant,
    },
}

/// The life of one terminal's program.
#[derive(Debug)]
pub(super) struct Pump {
    agent: Arc<Agent>,
    terminal: Arc<Terminal>,
    pty: Arc<Pty>,
    phase: Phase,
    /// The other end is closed everywhere: nothing more comes.
    closed: bool,
}

/// Why the pump woke up.
#[derive(Debug, Clone, Copy)]
enum Woken {
    Readable,
    Ended(i32),
    Deadline,
    News,
}

impl Pump {
    pub(super) const fn new(agent: Arc<Agent>, terminal: Arc<Terminal>, pty: Arc<Pty>) -> Self {
        Self { agent, terminal, pty, phase: Phase::Running, closed: false }
    }

    /// Until the end is told.
    pub(super) async fn run(mut self, mut ended: oneshot::Receiver<i32>) {
        let code = loop {
            if let Phase::Draining { code, quiet, end } = self.phase
                && (self.closed || now() >= quiet.min(end))
            {
                break code;
            }
            self.close_when_due();
            let room = self.terminal.room();
            let runs = !matches!(self.phase, Phase::Draining { .. });
            // Each arm only waits; what it waited for is done after.
            let woken = tokio::select! {
                biased;
                () = self.pty.readable(), if !self.closed && room.is_ok() => Woken::Readable,
                code = &mut ended, if runs => Woken::Ended(code.unwrap_or(CODE_UNKNOWN)),
                () = self.terminal.news.notified() => Woken::News,
                () = sleep_until(self.deadline(room.err())) => Woken::Deadline,
            };
            match woken {
                Woken::Readable => self.read(),
                Woken::Ended(code) => {
                    let at = now();
                    self.phase = Phase::Draining { code, quiet: at + QUIET, end: at + DRAIN_MAX };
                }
                Woken::Deadline => self.kill_when_due(),
                Woken::News => {}
            }
        };
        self.terminal.finish(code);
        self.agent.activity.touch();
        self.agent.trimmer.freed();
    }

    fn deadline(&self, room: Option<Instant>) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Running => self.terminal.lonely_at(),
            Phase::HungUp(kill) => Some(kill),
            Phase::Killed => None,
            Phase::Draining { quiet, end, .. } => Some(quiet.min(end)),
        };
        phase.into_iter().chain(room).min()
    }

    /// Hangs up once somebody asked for it, or nobody has looked for too long.
    fn close_when_due(&mut self) {
        let lonely = || self.terminal.lonely_at().is_some_and(|at| now() >= at);
        if matches!(self.phase, Phase::Running) && (self.terminal.is_closing() || lonely()) {
            self.signal(Signal::HUP);
            // A stopped process takes no notice before it goes on.
            self.signal(Signal::CONT);
            self.phase = Phase::HungUp(now() + HANG_UP_GRACE);
        }
    }

    fn kill_when_due(&mut self) {
        if let Phase::HungUp(kill) = self.phase
            && now() >= kill
        {
            if let Some(pid) = self.terminal.pid {
                self.agent.children.kill_group_at_end(pid);
            }
            self.signal(Signal::KILL);
            self.phase = Phase::Killed;
        }
    }

    fn signal(&self, signal: Signal) {
        let send = |pid: Pid| self.agent.children.signal(pid, signal);
        self.terminal.pid.map(send);
    }

    /// Reads what is there, up to a batch.
    fn read(&mut self) {
        let came = self.agent.with_scratch(|scratch| {
            let batch = scratch.get_mut(..BATCH_BYTES).unwrap_or_default();
            let mut filled = 0;
            while let Some(rest) = batch.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match self.pty.read(rest) {
                    Ok(n @ 1..) => filled += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Ok(0) | Err(_) => {
                        self.closed = true;
                        break;
                    }
                }
            }
            self.terminal.push(batch.get(..filled).unwrap_or_default());
            filled > 0
        });
        if came {
            self.agent.activity.touch();
            if let Phase::Draining { quiet, .. } = &mut self.phase {
                *quiet = now() + QUIET;
            }
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
