//! The driver of a job: it does what the record and the state of the sandbox ask for, one step after the other.

use std::time::Duration;

use atoll_lifecycle::{JobAction, JobState, SandboxSeen, job_plan};
use atoll_ports::{Cas, Durability, JobRecord, SandboxRecord};
use atoll_tasks::Kind;
use atoll_types::{JobId, JobPhase, SandboxId, Status, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::records::shown;
use crate::{Engine, EngineError};

/// Shortest and longest wait before a step that failed is tried again.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Times that a change is tried on a newer row before it is given up.
const CAS_ATTEMPTS: u32 = 8;

/// How a step of a driver ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stepped {
    /// Done: look again.
    Again,
    /// There is nothing to do until something changes.
    Rest,
    /// serve stops; the next one goes on.
    Cut,
}

/// What wakes and ends a driver.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals<'a> {
    pub(super) wake: &'a Notify,
    pub(super) token: &'a CancellationToken,
}

/// A driver at work; however it ends, another may follow.
struct Driving<'a> {
    engine: &'a Engine,
    id: &'a JobId,
    rests: bool,
}

impl Driving<'_> {
    /// Whether the driver may end: nobody asked it to look again.
    fn rest(&mut self) -> bool {
        self.rests = self.engine.inner.jobs.rest(self.id);
        self.rests
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        // One that rests has left already, and another may be at work.
        if !self.rests {
            self.engine.inner.jobs.abandon(self.id);
        }
    }
}

impl Engine {
    /// Has the driver of this job look at it.
    pub(super) fn drive_job(&self, id: &JobId) {
        let Some(wake) = self.inner.jobs.enter(id) else { return };
        let (engine, job) = (self.clone(), id.clone());
        let spawned = self.inner.drains.spawn("job", Kind::WORK, move |token| async move {
            engine.run_driver(&job, Signals { wake: &wake, token: &token }).await;
        });
        if spawned.is_err() {
            // A serve that stops leaves it to the next one.
            self.inner.jobs.abandon(id);
        }
    }

    /// Has the drivers of a sandbox's jobs look at them: it came up, or went down.
    pub(crate) fn drive_jobs(&self, sandbox: &SandboxId) {
        self.inner.jobs.of(sandbox).iter().for_each(|job| self.drive_job(&job.id));
    }

    /// Takes in what only the store knows, and drives what nobody drives and has something to do.
    pub(crate) async fn reconcile_jobs(&self) -> Result<(), EngineError> {
        self.load_jobs().await?;
        for job in self.inner.jobs.undriven() {
            if job_plan(job_state(&job), self.sandbox_seen(&job)) != JobAction::Nothing {
                self.drive_job(&job.id);
            }
        }
        Ok(())
    }

    /// Takes in the records that only the store knows: all at boot, later those whose insert was made and not answered.
    pub(crate) async fn load_jobs(&self) -> Result<(), EngineError> {
        let store = &self.inner.ports.store;
        for seen in store.job_list_node(&self.inner.settings.node).await? {
            if self.inner.jobs.get(&seen.id).is_some() {
                continue;
            }
            // Read again: one that was removed since the list was read must not come back.
            if let Some(job) = store.job_get(&seen.sandbox, &seen.id).await? {
                self.inner.jobs.remember(job);
            }
        }
        Ok(())
    }

    async fn run_driver(&self, id: &JobId, signals: Signals<'_>) {
        let mut driving = Driving { engine: self, id, rests: false };
        let mut pause = RETRY_MIN;
        while !signals.token.is_cancelled() {
            match self.step_job(id, signals).await {
                Ok(Stepped::Again) => pause = RETRY_MIN,
                Ok(Stepped::Rest) => {
                    if driving.rest() {
                        return;
                    }
                }
                Ok(Stepped::Cut) => return,
                Err(_) if signals.token.is_cancelled() => return,
                Err(error) => {
                    tracing::warn!(job.id = %id, "job {id} cannot go on yet: {error}");
                    tokio::select! {
                        // Cancel safe: both only wait.
                        () = signals.token.cancelled() => return,
                        () = self.inner.ports.clock.sleep(pause) => {}
                    }
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
    }

    async fn step_job(&self, id: &JobId, signals: Signals<'_>) -> Result<Stepped, EngineError> {
        let Some(job) = self.inner.jobs.get(id) else { return Ok(Stepped::Rest) };
        match job_plan(job_state(&job), self.sandbox_seen(&job)) {
            JobAction::Nothing => Ok(Stepped::Rest),
            JobAction::Follow => self.follow_run(&job, signals).await,
            JobAction::Wait => self.await_start(&job, signals).await,
            JobAction::Begin => self.begin_run(&job, 0).await,
            JobAction::NoteStopped => {
                self.change_job(&job, Durability::Process, |job| job.phase = JobPhase::Stopped).await?;
                Ok(Stepped::Again)
            }
            JobAction::Remove => self.remove_job(&job, signals).await,
        }
    }

    /// The sandbox of a job, as its last run sees it.
    pub(super) fn sandbox_seen(&self, job: &JobRecord) -> SandboxSeen {
        let Some(sandbox) = self.inner.records.get(&job.sandbox) else { return SandboxSeen::Between };
        let status = shown(&sandbox);
        if status == Status::Running {
            let same = came_up(&sandbox) == job.sandbox_started_at;
            return if same { SandboxSeen::Same } else { SandboxSeen::Anew };
        }
        // Whoever deletes it removes its jobs too.
        let is_down = matches!(status, Status::Stopped | Status::Crashed | Status::Failed);
        if is_down { SandboxSeen::Down } else { SandboxSeen::Between }
    }

    /// Changes a record that nobody has changed since it was read; one that somebody has is looked at anew by the driver.
    pub(super) async fn change_job(
        &self,
        job: &JobRecord,
        durability: Durability,
        change: impl FnOnce(&mut JobRecord) + Send,
    ) -> Result<(), EngineError> {
        let mut wanted = job.clone();
        change(&mut wanted);
        self.write_job(&wanted, durability).await.map(drop)
    }

    /// Changes whatever the record is by now; false when it is gone.
    pub(super) async fn insist_job(
        &self,
        id: &JobId,
        durability: Durability,
        change: impl Fn(&mut JobRecord) + Send + Sync,
    ) -> Result<bool, EngineError> {
        for _ in 0..CAS_ATTEMPTS {
            let Some(job) = self.inner.jobs.get(id) else { return Ok(false) };
            let mut wanted = JobRecord::clone(&job);
            change(&mut wanted);
            if wanted == *job || self.write_job(&wanted, durability).await? {
                return Ok(true);
            }
        }
        Err(EngineError::new(atoll_types::ErrorCode::Unavailable, "the job is being changed: try again"))
    }

    /// True when it was written.
    async fn write_job(&self, wanted: &JobRecord, durability: Durability) -> Result<bool, EngineError> {
        let store = &self.inner.ports.store;
        let written = match store.job_update(wanted, durability).await {
            Ok(written) => written,
            // The answer may be what failed: the row tells whether the write was made.
            Err(error) => match store.job_get(&wanted.sandbox, &wanted.id).await {
                Ok(Some(now)) if now == (JobRecord { generation: now.generation, ..wanted.clone() }) => {
                    Cas::Updated(now)
                }
                Ok(Some(now)) if now.generation != wanted.generation => Cas::Stale(now),
                _ => return Err(error.into()),
            },
        };
        match written {
            Cas::Updated(now) => {
                self.inner.jobs.remember(now);
                Ok(true)
            }
            Cas::Stale(now) => {
                self.inner.jobs.remember(now);
                Ok(false)
            }
            Cas::Absent => {
                self.inner.jobs.remove(&wanted.id);
                Ok(false)
            }
        }
    }
}

/// The part of a record that decisions are made on.
pub(super) fn job_state(job: &JobRecord) -> JobState {
    JobState { desired: job.desired, phase: job.phase, restart: job.spec.restart }
}

/// When a sandbox last came up: tells one life of it from another.
pub(super) fn came_up(sandbox: &SandboxRecord) -> Timestamp {
    sandbox.started_at.unwrap_or(sandbox.created_at)
}
