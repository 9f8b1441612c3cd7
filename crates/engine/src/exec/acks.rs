//! Acknowledgements of ends, a few together: the agent forgets an exec a moment after it ended, and on the hot path an
//! exec costs no call of its own for that.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use atoll_types::{ExecId, SandboxId};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::Engine;

/// Time that an end waits for others: many short execs fit in it, and it is nothing to whoever looks at memory.
const LINGER: Duration = Duration::from_millis(50);
/// Ends that wait at most in one sandbox: a quarter of what an agent holds.
const WAITING_MAX: usize = 64;

/// What agents are still to be told, by sandbox.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    waiting: Mutex<HashMap<SandboxId, Vec<(ExecId, u64)>>>,
    /// Sandboxes whose agents may hold what is settled here: an acknowledgement was lost, a command was given up.
    unsettled: Mutex<HashSet<SandboxId>>,
}

/// Whose turn it is to send what waits.
enum Turn {
    /// Mine, after a while: I am the first.
    Soon,
    /// Mine: it is enough.
    Now,
    /// Somebody else's.
    Others,
}

impl Acks {
    fn add(&self, sandbox: &SandboxId, exec: &ExecId, seq: u64) -> Turn {
        let mut waiting = self.waiting.lock();
        let list = waiting.entry(sandbox.clone()).or_default();
        list.push((exec.clone(), seq));
        match list.len() {
            1 => Turn::Soon,
            len if len >= WAITING_MAX => Turn::Now,
            _ => Turn::Others,
        }
    }

    fn take(&self, sandbox: &SandboxId) -> Vec<(ExecId, u64)> {
        self.waiting.lock().remove(sandbox).unwrap_or_default()
    }

    /// The agent of this sandbox may hold what is settled.
    pub(crate) fn unsettle(&self, sandbox: &SandboxId) {
        self.unsettled.lock().insert(sandbox.clone());
    }

    /// The sandboxes to settle; whoever takes them puts back those that he cannot.
    pub(crate) fn take_unsettled(&self) -> Vec<SandboxId> {
        self.unsettled.lock().drain().collect()
    }

    /// The agent is gone, and all that it held.
    pub(crate) fn forget(&self, sandbox: &SandboxId) {
        self.waiting.lock().remove(sandbox);
        self.unsettled.lock().remove(sandbox);
    }
}

impl Engine {
    /// Lets the agent forget an exec whose end is written down: soon, with others.
    pub(crate) async fn acknowledge_end(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        seq: u64,
        token: &CancellationToken,
    ) {
        match self.inner.acks.add(sandbox, exec, seq) {
            Turn::Others => return,
            Turn::Now => {}
            Turn::Soon => tokio::select! {
                // Cancel safe: both only wait. What is not sent when serve stops is settled at the next boot.
                () = token.cancelled() => return,
                () = self.inner.ports.clock.sleep(LINGER) => {}
            },
        }
        tokio::select! {
            // An acknowledgement may be dropped and repeated.
            () = token.cancelled() => {}
            _ = self.send_ends(sandbox) => {}
        }
    }

    /// Sends what waits for this sandbox; true when that was anything.
    pub(crate) async fn send_ends(&self, sandbox: &SandboxId) -> bool {
        let ends = self.inner.acks.take(sandbox);
        if ends.is_empty() {
            return false;
        }
        if let Err(error) = self.inner.ports.agents.ack(sandbox, &ends).await {
            tracing::debug!(sandbox.id = %sandbox, "ends of execs are not acknowledged yet: {error}");
            self.inner.acks.unsettle(sandbox);
        }
        true
    }
}
