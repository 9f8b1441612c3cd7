//! Children ahead: inside the workload's cgroup, waiting for what to run. Why: see `sys::child`.
//!
//! One is kept ready. When it is used, the next one comes from the **breeder**, a child that waits in the cgroup too and runs
//! nothing: a fork of the agent would be as quick, but enters the cgroup only then, which after a pause takes 8 ms, and a
//! second command may come at once. Where there is no breeder yet, or none any more, or no group to enter, the agent forks.
//!
//! While commands come in a row, several are made when the last one is used: on a machine that keeps few processors awake,
//! each is 0.2 ms that somebody waits (measured: everything of an exec ran on one of two), and so one command of
//! [`IN_A_ROW`] bears it and the others start at once. When the row has ended, one stays.
//!
//! The workload sees all of them as processes named `atoll-spare` and can kill or stop them; then the next exec makes its own.
//! They are not made again before, so that a workload that kills everything in a loop makes the agent fork no more often than
//! somebody asks for a command.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::launch;
use crate::lock::lock;
use crate::reaper::Children;
use crate::sys::{self, RawSpare, Rules};

/// Children kept ready while commands come in a row.
const IN_A_ROW: usize = 4;
/// Longest time between two commands of a row: a client that sends the next one when it has the answer, with room for a
/// busy machine.
const ROW_GAP: Duration = Duration::from_millis(20);
/// Time without a command after which there are made as many as there should be, where one is ready: the command that was started
/// last has got going, or ended.
const QUIET: Duration = Duration::from_millis(5);
/// Time without a command after which a row has ended.
const ROW_END: Duration = Duration::from_secs(1);

/// Time from the agent's start to its breeder: the first command of a sandbox goes before.
const BREEDER_DELAY: Duration = Duration::from_millis(20);
/// Longest time that the breeder may take: it is in the workload's cgroup, which may have no processor left for a while.
const BIRTH_LIMIT: Duration = Duration::from_secs(1);

/// A child that waits for its request.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) raw: RawSpare,
    pub(crate) ended: oneshot::Receiver<i32>,
}

/// What is ready, and how many should be.
#[derive(Debug, Default)]
struct Stock {
    ready: VecDeque<Spare>,
    used_at: Option<Instant>,
    in_a_row: bool,
}

impl Stock {
    /// The oldest that lives, for a command that comes now.
    fn take(&mut self, now: Instant) -> Option<Spare> {
        self.in_a_row = self.used_at.is_some_and(|used| now.duration_since(used) < ROW_GAP);
        self.used_at = Some(now);
        loop {
            let mut spare = self.ready.pop_front()?;
            if spare.ended.try_recv().is_err() {
                return Some(spare);
            }
        }
    }

    /// Whether there should be more.
    fn is_short(&self) -> bool {
        self.ready.len() < if self.in_a_row { IN_A_ROW } else { 1 }
    }

    /// How long to wait before more are made.
    fn delay(&self) -> Duration {
        if self.ready.is_empty() { Duration::ZERO } else { QUIET }
    }
}

/// A child that makes siblings. It ends when this is dropped.
#[derive(Debug)]
struct Breeder {
    pid: Pid,
    channel: UnixStream,
    ended: oneshot::Receiver<i32>,
}

impl Breeder {
    /// Its pid is its own until its end was told.
    fn signal(&mut self, signal: Signal) {
        if self.ended.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            let _ = kill_process(self.pid, signal);
        }
    }

    async fn bear(&mut self) -> io::Result<RawSpare> {
        let unborn = sys::ask_for_spare(&self.channel)?;
        // Somebody inside may have stopped it.
        self.signal(Signal::CONT);
        let mut pid = [0; size_of::<i32>()];
        self.channel.read_exact(&mut pid).await?;
        let pid = Some(i32::from_ne_bytes(pid)).filter(|pid| *pid > 0).and_then(Pid::from_raw);
        Ok(unborn.born(pid.ok_or(io::ErrorKind::OutOfMemory)?))
    }
}

/// Makes children.
#[derive(Debug)]
pub(crate) struct Spares {
    children: Arc<Children>,
    cgroups: Vec<OwnedFd>,
    rules: Rules,
    stock: Mutex<Stock>,
    used: Notify,
}

impl Spares {
    /// With one ready already, if it could be made.
    pub(crate) fn new(children: Arc<Children>, cgroups: Vec<OwnedFd>, rules: Rules) -> Self {
        let spares = Self { children, cgroups, rules, stock: Mutex::default(), used: Notify::new() };
        spares.add();
        spares
    }

    /// A live spare, or a new one.
    pub(crate) fn take(&self) -> io::Result<Spare> {
        self.used.notify_one();
        let Some(spare) = lock(&self.stock).take(Instant::now()) else { return self.fork() };
        // Somebody inside may have stopped it.
        let _ = kill_process(spare.raw.pid, Signal::CONT);
        Ok(spare)
    }

    /// Keeps them ready, for ever.
    pub(crate) async fn refill(&self) {
        tokio::time::sleep(BREEDER_DELAY).await;
        let mut breeder = None;
        loop {
            // What the start made ready to be sent goes out first.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            let delay = lock(&self.stock).delay();
            if !delay.is_zero() && self.used_within(delay).await {
                continue;
            }
            while self.is_short() {
                breeder = self.breed(breeder).await;
                if breeder.is_none() && !self.add() {
                    break;
                }
            }
            // Behind the spare, which may be wanted at once. Without groups to enter a fork of the agent is as good.
            if breeder.is_none() && !self.cgroups.is_empty() {
                breeder = self.breeder().ok();
            }
            if !self.used_within(ROW_END).await {
                self.end_row();
                self.used.notified().await;
            }
        }
    }

    fn is_short(&self) -> bool {
        lock(&self.stock).is_short()
    }

    /// Makes one more by the breeder. None when it is of no use any more.
    async fn breed(&self, breeder: Option<Breeder>) -> Option<Breeder> {
        let mut breeder = breeder?;
        self.children.expect_birth();
        let born = tokio::time::timeout(BIRTH_LIMIT, breeder.bear()).await;
        let born = born.ok().and_then(Result::ok);
        let Some(ended) = self.children.born(born.as_ref().map(|raw| raw.pid)) else {
            // Somebody inside has killed or stopped it, or it may make no more processes.
            breeder.signal(Signal::KILL);
            return None;
        };
        if let Some(raw) = born {
            lock(&self.stock).ready.push_back(Spare { raw, ended });
        }
        Some(breeder)
    }

    fn breeder(&self) -> io::Result<Breeder> {
        let Spare { raw: RawSpare { pid, request, .. }, ended } = self.fork()?;
        let channel = request.ok_or(io::ErrorKind::NotConnected)?;
        rustix::io::write(&channel, &launch::breed())?;
        let channel = UnixStream::from_std(channel.into())?;
        Ok(Breeder { pid, channel, ended })
    }

    /// Waits for the next command, so long at most.
    async fn used_within(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.used.notified()).await.is_ok()
    }

    /// Makes one more, if there should be more.
    fn add(&self) -> bool {
        if !self.is_short() {
            return false;
        }
        // Without one, the next exec tries itself and can say why it fails.
        let Ok(spare) = self.fork() else { return false };
        lock(&self.stock).ready.push_back(spare);
        true
    }

    /// Lets those go that are too many: without the agent's end of its channel, a spare ends.
    fn end_row(&self) {
        let mut stock = lock(&self.stock);
        stock.in_a_row = false;
        stock.ready.truncate(1);
    }

    fn fork(&self) -> io::Result<Spare> {
        let raw = sys::fork_spare(&self.cgroups, self.rules)?;
        let ended = self.children.expect(raw.pid);
        Ok(Spare { raw, ended })
    }
}
