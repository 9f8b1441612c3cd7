//! Waits for every child: the agent's own, whose ends go to their execs, and, as PID 1, every orphan of the sandbox.

use std::collections::HashMap;
use std::sync::Mutex;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, waitpid};
use tokio::signal::unix::Signal as SignalStream;
use tokio::sync::oneshot;

use crate::lock::lock;
use crate::sys;

/// Most children waited for at one go, so that a storm of orphans does not keep everybody else waiting.
const REAPED_PER_TURN: usize = 64;
/// What a shell adds to the number of a signal that ended a program.
const SIGNAL_CODE_BASE: i32 = 128;

/// A child of ours that has not been waited for. Its pid is its own for as long as it is here.
#[derive(Debug)]
struct Child {
    ended: oneshot::Sender<i32>,
    /// Whether what is left of its process group goes when it ends.
    kill_group: bool,
}

/// The agent's own children, by pid.
#[derive(Debug, Default)]
pub(crate) struct Children(Mutex<HashMap<Pid, Child>>);

impl Children {
    /// From now on the end of `pid` goes to the receiver, as an exit code.
    pub(crate) fn expect(&self, pid: Pid) -> oneshot::Receiver<i32> {
        let (ended, receiver) = oneshot::channel();
        lock(&self.0).insert(pid, Child { ended, kill_group: false });
        receiver
    }

    /// Signals the process group that `pid` leads; false when it has ended.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) -> bool {
        if !lock(&self.0).contains_key(&pid) {
            return false;
        }
        // A child that was made this moment may not lead its group yet.
        if kill_process_group(pid, signal).is_err() {
            let _ = kill_process(pid, signal);
        }
        true
    }

    /// What is left of the group of `pid` is to be killed when it ends.
    pub(crate) fn kill_group_at_end(&self, pid: Pid) {
        if let Some(child) = lock(&self.0).get_mut(&pid) {
            child.kill_group = true;
        }
    }

    /// Waits for one child that has ended; false when there is none.
    fn reap_one(&self) -> bool {
        let Some(pid) = sys::peek_ended_child() else { return false };
        let child = lock(&self.0).remove(&pid);
        // Before the pid is free for another process.
        if child.as_ref().is_some_and(|child| child.kill_group) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        if let (Ok(Some((_, status))), Some(child)) = (waitpid(Some(pid), WaitOptions::NOHANG), child) {
            // Nobody listens when a spare ends unused.
            let _ = child.ended.send(exit_code(status));
        }
        true
    }

    /// Reaps for ever.
    pub(crate) async fn reap(&self, mut signals: SignalStream) {
        loop {
            let mut reaped = 0;
            while reaped < REAPED_PER_TURN && self.reap_one() {
                reaped += 1;
            }
            if reaped == REAPED_PER_TURN {
                tokio::task::yield_now().await;
            } else if signals.recv().await.is_none() {
                return;
            }
        }
    }
}

fn exit_code(status: WaitStatus) -> i32 {
    let by_signal = status.terminating_signal().map(|signal| SIGNAL_CODE_BASE + signal);
    status.exit_status().or(by_signal).unwrap_or(SIGNAL_CODE_BASE)
}
