//! One child ahead: forked, inside the workload's cgroup, waiting for what to run. Why: see `sys::child`.
//!
//! A spare is made when the agent starts and again at each use, as soon as the command is handed over: the agent has
//! nothing else to do while it runs. Made at its end, the fork (0.1 ms) would keep the processor from serve, which
//! the end has just woken there (measured). The workload sees it as a process named `atoll-spare`
//! and can kill it; then the next exec makes its own. It is not made again before, so that a workload that kills
//! everything in a loop makes the agent fork no more often than somebody asks for a command.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use rustix::process::{Signal, kill_process};
use tokio::sync::{Notify, oneshot};

use crate::lock::lock;
use crate::reaper::Children;
use crate::sys::{self, RawSpare};

/// A child that waits for its request.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) raw: RawSpare,
    pub(crate) ended: oneshot::Receiver<i32>,
}

/// Makes children.
#[derive(Debug)]
pub(crate) struct Spares {
    children: Arc<Children>,
    cgroups: Vec<OwnedFd>,
    ready: Mutex<Option<Spare>>,
    used: Notify,
}

impl Spares {
    /// With `ready` made already, if it could be.
    pub(crate) fn new(children: Arc<Children>, cgroups: Vec<OwnedFd>) -> Self {
        let spares = Self { children, cgroups, ready: Mutex::default(), used: Notify::new() };
        spares.fill();
        spares
    }

    /// A live spare, or a new one.
    pub(crate) fn take(&self) -> io::Result<Spare> {
        self.used.notify_one();
        let ready = lock(&self.ready).take();
        let alive = |spare: &mut Spare| spare.ended.try_recv().is_err();
        let Some(spare) = ready.and_then(|mut spare| alive(&mut spare).then_some(spare)) else {
            return self.fork();
        };
        // Somebody inside may have stopped it.
        let _ = kill_process(spare.raw.pid, Signal::CONT);
        Ok(spare)
    }

    /// Keeps one ready, for ever.
    pub(crate) async fn refill(&self) {
        loop {
            self.used.notified().await;
            // What the start made ready to be sent goes out first.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            self.fill();
        }
    }

    fn fill(&self) {
        let mut ready = lock(&self.ready);
        if ready.is_none() {
            // Without one, the next exec tries itself and can say why it fails.
            *ready = self.fork().ok();
        }
    }

    fn fork(&self) -> io::Result<Spare> {
        let raw = sys::fork_spare(&self.cgroups)?;
        let ended = self.children.expect(raw.pid);
        Ok(Spare { raw, ended })
    }
}
