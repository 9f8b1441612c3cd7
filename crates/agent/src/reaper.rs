//! Waits for every child: the agent's own, whose ends go to their execs, and, as PID 1, every orphan of the sandbox.

use std::collections::HashMap;
use std::sync::Mutex;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, waitpid};
use tokio::signal::unix::Signal as SignalStream;
use tokio::sync::{Notify, oneshot};

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

/// Most strangers that are remembered while a child is being born; whoever is born beyond that counts as lost.
const STRANGERS_MAX: usize = 1_024;

/// The agent's own children, by pid.
#[derive(Debug, Default)]
pub(crate) struct Children {
    known: Mutex<HashMap<Pid, Child>>,
    birth: Mutex<Option<Birth>>,
    /// One of them ended.
    ended: Notify,
}

/// A child is being made by somebody else: it may have ended before its pid is known here.
#[derive(Debug, Default)]
struct Birth {
    /// Children that ended meanwhile and were not known, with their exit codes: orphans, or the one.
    strangers: HashMap<Pid, i32>,
    /// There were more.
    lost: bool,
}

impl Children {
    /// From now on the end of `pid` goes to the receiver, as an exit code.
    pub(crate) fn expect(&self, pid: Pid) -> oneshot::Receiver<i32> {
        let (ended, receiver) = oneshot::channel();
        lock(&self.known).insert(pid, Child { ended, kill_group: false });
        receiver
    }

    /// Another process is about to make a child of ours. One at a time.
    pub(crate) fn expect_birth(&self) {
        *lock(&self.birth) = Some(Birth::default());
    }

    /// It has been made: its end goes to the receiver. None when that was missed, or nothing was made.
    pub(crate) fn born(&self, pid: Option<Pid>) -> Option<oneshot::Receiver<i32>> {
        let birth = lock(&self.birth).take()?;
        let pid = pid.filter(|_| !birth.lost)?;
        let receiver = self.expect(pid);
        if let Some(code) = birth.strangers.get(&pid)
            && let Some(child) = lock(&self.known).remove(&pid)
        {
            let _ = child.ended.send(*code);
        }
        Some(receiver)
    }

    fn note_stranger(&self, pid: Pid, code: i32) {
        if let Some(birth) = &mut *lock(&self.birth) {
            if birth.strangers.len() < STRANGERS_MAX {
                birth.strangers.insert(pid, code);
            } else {
                birth.lost = true;
            }
        }
    }

    /// Signals the process group that `pid` leads; false when it has ended.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) -> bool {
        if !lock(&self.known).contains_key(&pid) {
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
        if let Some(child) = lock(&self.known).get_mut(&pid) {
            child.kill_group = true;
        }
    }

    /// Waits for one child that has ended; false when there is none.
    fn reap_one(&self) -> bool {
        let Some(pid) = sys::peek_ended_child() else { return false };
        let child = lock(&self.known).remove(&pid);
        // Before the pid is free for another process.
        if child.as_ref().is_some_and(|child| child.kill_group) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        if let Ok(Some((_, status))) = waitpid(Some(pid), WaitOptions::NOHANG) {
            match child {
                // Nobody listens when a spare ends unused.
                Some(child) => {
                    let _ = child.ended.send(exit_code(status));
                    self.ended.notify_waiters();
                }
                None => self.note_stranger(pid, exit_code(status)),
            }
        }
        true
    }

    /// Until one of the agent's own ends.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(n: i32) -> Pid {
        Pid::from_raw(n).unwrap()
    }

    #[test]
    fn the_end_of_a_child_that_came_before_its_pid_is_not_lost() {
        let children = Children::default();
        children.note_stranger(pid(7), 1);
        children.expect_birth();
        children.note_stranger(pid(8), 9);
        assert_eq!(children.born(Some(pid(8))).unwrap().try_recv(), Ok(9));
        children.expect_birth();
        assert!(children.born(Some(pid(8))).unwrap().try_recv().is_err(), "of an earlier birth");
        assert!(lock(&children.known).contains_key(&pid(8)));
    }

    #[test]
    fn a_birth_among_too_many_ends_does_not_count() {
        let children = Children::default();
        children.expect_birth();
        (1..3_000).for_each(|n| children.note_stranger(pid(n), 0));
        assert!(children.born(Some(pid(2_999))).is_none());
        children.expect_birth();
        assert!(children.born(None).is_none());
        assert!(lock(&children.known).is_empty());
    }
}
