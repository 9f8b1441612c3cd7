//! One child ahead: forked, inside the workload's cgroup, waiting for what to run. Why: see `sys::child`.
//!
//! A spare is made when the agent starts and again at each use, [`REFILL_DELAY`] after the command was handed over: while
//! it runs the agent has nothing else to do. Made at once, the fork and its child (0.2 ms) would keep the processor from the
//! command, which the kernel puts where its pipe was written; made at the command's end, from serve, which that end wakes
//! there (both measured). The workload sees it as a process named `atoll-spare`
//! and can kill it; then the next exec makes its own. It is not made again before, so that a workload that kills
//! everything in a loop makes the agent fork no more often than somebody asks for a command.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::sync::{Notify, oneshot};

use crate::lock::lock;
use crate::pause::Pause;
use crate::reaper::Children;
use crate::sys::{self, RawSpare};

/// From the use of a spare to the next one: time enough for a command to get its program going.
pub(crate) const REFILL_DELAY: Duration = Duration::from_micros(200);

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
    pub(crate) async fn refill(&self, pause: Pause) {
        loop {
            self.used.notified().await;
            pause.wait().await;
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
