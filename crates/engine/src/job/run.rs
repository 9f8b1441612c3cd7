//! Runs of a job: begun, followed, and what their end means.

use std::sync::Arc;
use std::time::Duration;

use atoll_lifecycle::{AfterRun, Decision, Request, SandboxSeen, after_run, decide};
use atoll_ports::{Durability, ExecOutcome, JobRecord};
use atoll_types::{ExecExit, ExecId, ExecStatus, JobEnd, JobPhase, SandboxId, Timestamp, bounds};

use super::drive::{Signals, Stepped, came_up};
use crate::exec::LiveExec;
use crate::records::state;
use crate::{Engine, EngineError};

impl Engine {
    /// Sees that the last run goes, and what becomes of it.
    pub(super) async fn follow_run(
        &self,
        job: &JobRecord,
        signals: Signals<'_>,
    ) -> Result<Stepped, EngineError> {
        let Some(exec) = job.runs.last() else { return Ok(Stepped::Rest) };
        if let Some(live) = self.inner.execs.get(&job.sandbox, exec) {
            let end = tokio::select! {
                // Cancel safe: all three only wait.
                () = signals.token.cancelled() => return Ok(Stepped::Cut),
                () = signals.wake.notified() => return Ok(Stepped::Again),
                end = live.ended() => end,
            };
            let Some(end) = end else { return Ok(Stepped::Cut) };
            return self.note_end(job, exec, end.record.outcome.as_ref()).await;
        }
        match self.inner.ports.store.exec_get(&job.sandbox, exec).await? {
            Some(record) if record.outcome.is_some() => {
                self.note_end(job, exec, record.outcome.as_ref()).await
            }
            // An earlier serve began it, and this one has not taken it up.
            Some(record) => {
                self.resume(record);
                Ok(Stepped::Again)
            }
            None => self.launch_run(job, exec),
        }
    }

    /// Starts a run that is written down. Its agent may have it already, when serve died in between: then it only streams.
    fn launch_run(&self, job: &JobRecord, exec: &ExecId) -> Result<Stepped, EngineError> {
        // Looked at again at the last moment: what starts now ends when the sandbox goes down.
        let sandbox = self.inner.records.get(&job.sandbox);
        let Some(sandbox) = sandbox.filter(|_| self.sandbox_seen(job) == SandboxSeen::Same) else {
            return Ok(Stepped::Again);
        };
        self.launch_again(&sandbox, exec.clone(), job.spec.exec.clone())?;
        Ok(Stepped::Again)
    }

    /// Writes down what the end of a run means. Where the sandbox does not run any more, it ended with it: what that means is
    /// decided when the sandbox runs.
    async fn note_end(
        &self,
        job: &JobRecord,
        exec: &ExecId,
        outcome: Option<&ExecOutcome>,
    ) -> Result<Stepped, EngineError> {
        let decided = self.sandbox_seen(job) == SandboxSeen::Same;
        let now = self.inner.ports.clock.now();
        // One whose record could not be written has no outcome, and did not run.
        let (status, exit, finished_at, failure, lasted_ms) = match outcome {
            Some(o) => (o.status, o.exit.clone(), o.finished_at, o.failure.clone(), o.duration_ms),
            None => (ExecStatus::Failed, None, now, Some("it could not be written down".to_owned()), 0),
        };
        let after = after_run(&job.spec, job.retries, succeeded(status, exit.as_ref()), ms(lasted_ms));
        let end = JobEnd {
            exec: exec.clone(),
            status,
            exit_code: exit.map(|exit| exit.code),
            finished_at,
            failure,
        };
        if !decided && job.last_end.as_ref() == Some(&end) {
            return Ok(Stepped::Rest);
        }
        let note = |job: &mut JobRecord| {
            job.last_end = Some(end);
            if decided {
                (job.phase, job.retries) = next(after, job.retries, now);
            }
        };
        self.change_job(job, Durability::Process, note).await?;
        Ok(if decided { Stepped::Again } else { Stepped::Rest })
    }

    /// Waits for the moment of the next start, and begins a run.
    pub(super) async fn await_start(
        &self,
        job: &JobRecord,
        signals: Signals<'_>,
    ) -> Result<Stepped, EngineError> {
        let JobPhase::Waiting { next_start } = job.phase else { return Ok(Stepped::Again) };
        let clock = &self.inner.ports.clock;
        let left = next_start.as_unix_ms().saturating_sub(clock.now().as_unix_ms());
        // The wall clock may have jumped: no wait is longer than the longest of this job.
        let left = ms(u64::try_from(left).unwrap_or(0)).min(ms(job.spec.backoff.max_ms.into()));
        tokio::select! {
            // Cancel safe: all three only wait.
            () = signals.token.cancelled() => Ok(Stepped::Cut),
            () = signals.wake.notified() => Ok(Stepped::Again),
            () = clock.sleep(left) => self.begin_run(job, job.retries).await,
        }
    }

    /// Chooses the id of a run and writes it down; the next step starts it.
    pub(super) async fn begin_run(&self, job: &JobRecord, retries: u32) -> Result<Stepped, EngineError> {
        let Some(sandbox) = self.inner.records.get(&job.sandbox) else { return Ok(Stepped::Rest) };
        if matches!(decide(Request::Exec, state(&sandbox)), Decision::Denied(_)) {
            return Ok(Stepped::Again);
        }
        let begin = |job: &mut JobRecord| {
            job.phase = JobPhase::Running;
            job.sandbox_started_at = came_up(&sandbox);
            job.starts = job.starts.saturating_add(1);
            job.retries = retries;
            let old = (job.runs.len() + 1).saturating_sub(bounds::JOB_RUNS_MAX);
            job.runs.drain(..old);
            job.runs.push(ExecId::random());
        };
        self.change_job(job, Durability::Process, begin).await?;
        Ok(Stepped::Again)
    }

    /// The runs of a sandbox's jobs that go on now.
    pub(crate) fn live_runs(&self, sandbox: &SandboxId) -> Vec<Arc<LiveExec>> {
        let jobs = self.inner.jobs.of(sandbox);
        let current =
            jobs.iter().filter(|job| job.phase == JobPhase::Running).filter_map(|job| job.runs.last());
        current.filter_map(|exec| self.inner.execs.get(sandbox, exec)).collect()
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn succeeded(status: ExecStatus, exit: Option<&ExecExit>) -> bool {
    match status {
        ExecStatus::Exited => exit.is_some_and(|exit| exit.code == 0),
        ExecStatus::Running | ExecStatus::TimedOut | ExecStatus::Lost | ExecStatus::Failed => false,
    }
}

/// The phase after a run, with the restarts in a row.
fn next(after: AfterRun, retries: u32, now: Timestamp) -> (JobPhase, u32) {
    match after {
        AfterRun::Restart { after, retries } => {
            let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            let next_start = Timestamp::from_unix_ms(now.as_unix_ms().saturating_add(after));
            (JobPhase::Waiting { next_start }, retries)
        }
        AfterRun::Exited => (JobPhase::Exited, retries),
        AfterRun::Failed => (JobPhase::Failed, retries),
    }
}
