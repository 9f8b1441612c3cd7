//! Pause and resume: the workload is frozen or thawed as a whole, the agent goes on beside it. Nothing is remembered of it:
//! the kernel holds it, and tells the next launcher.

use std::time::Duration;

use atoll_launcher_protocol::{Answer, Failure, FailureKind};
use atoll_types::SandboxId;

use super::Server;
use super::connection::Waiter;
use super::table::{Entry, Pausing, Phase};
use crate::cgroup::Freeze;
use crate::clock::now;
use crate::report::{failure, log};

/// How soon a freeze is looked at again: the kernel takes less, unless a process is inside a long call.
const LOOK: Duration = Duration::from_millis(2);

/// How long a freeze may take before it is taken back: a process that waits for a disk is frozen when it has its answer.
const FREEZE_TIME: Duration = Duration::from_secs(2);

impl Server {
    /// Begins to freeze a sandbox, or joins whoever does it already.
    pub(super) fn pause(&mut self, sandbox: &SandboxId, waiter: Waiter) {
        if let Err(refusal) = self.begin_pause(sandbox, waiter) {
            return self.answer(waiter, Err(refusal));
        }
        self.look_at_freeze(sandbox);
    }

    fn begin_pause(&mut self, sandbox: &SandboxId, waiter: Waiter) -> Result<(), Failure> {
        let entry = self.table.get_mut(sandbox).ok_or_else(|| not_up(sandbox))?;
        match &mut entry.phase {
            Phase::Pausing(pausing) => pausing.waiters.push(waiter),
            Phase::Running => {
                self.tools.cgroups.set_frozen(sandbox, true)?;
                let time = now();
                let pausing = Pausing { waiters: vec![waiter], look_at: time, until: time + FREEZE_TIME };
                entry.phase = Phase::Pausing(pausing);
            }
            Phase::Starting(_) | Phase::Ending(_) => return Err(not_up(sandbox)),
        }
        Ok(())
    }

    /// Looks how far a freeze is; one that does not come to an end is taken back.
    pub(super) fn look_at_freeze(&mut self, sandbox: &SandboxId) {
        let Some(Entry { phase: Phase::Pausing(pausing), .. }) = self.table.get_mut(sandbox) else { return };
        let result = match self.tools.cgroups.freeze_state(sandbox) {
            Freeze::Frozen => Ok(Answer::Done),
            Freeze::Freezing if now() < pausing.until => {
                pausing.look_at = now() + LOOK;
                return;
            }
            Freeze::Freezing => {
                let text = format!("sandbox {sandbox} cannot be frozen now: a process waits in the kernel");
                Err(failure(FailureKind::System, text))
            }
            Freeze::Thawed => Err(failure(FailureKind::Conflict, "somebody else thawed the sandbox")),
        };
        if result.is_err()
            && let Err(error) = self.tools.cgroups.set_frozen(sandbox, false)
        {
            log(&format!("sandbox {sandbox}: {error}"));
        }
        self.end_pausing(sandbox, &result);
    }

    /// Lets a sandbox go on. Whoever waits for its freeze waits in vain.
    pub(super) fn resume(&mut self, sandbox: &SandboxId) -> Result<Answer, Failure> {
        match self.table.get(sandbox).map(|entry| &entry.phase) {
            Some(Phase::Running | Phase::Pausing(_)) => {}
            Some(Phase::Starting(_) | Phase::Ending(_)) | None => return Err(not_up(sandbox)),
        }
        self.end_pausing(sandbox, &Err(failure(FailureKind::Conflict, "the sandbox was resumed meanwhile")));
        self.tools.cgroups.set_frozen(sandbox, false)?;
        Ok(Answer::Done)
    }

    /// Makes a sandbox that is being frozen a running one, and tells those who wait.
    pub(super) fn end_pausing(&mut self, sandbox: &SandboxId, result: &Result<Answer, Failure>) {
        let Some(entry) = self.table.get_mut(sandbox) else { return };
        if let Phase::Pausing(pausing) = &mut entry.phase {
            let waiters = std::mem::take(&mut pausing.waiters);
            entry.phase = Phase::Running;
            self.answer_all(&waiters, result);
        }
    }

    /// Whether a sandbox is frozen, or being frozen.
    pub(super) fn is_paused(&self, sandbox: &SandboxId) -> bool {
        self.tools.cgroups.freeze_state(sandbox) != Freeze::Thawed
    }
}

fn not_up(sandbox: &SandboxId) -> Failure {
    failure(FailureKind::Conflict, format!("sandbox {sandbox} does not run"))
}
