//! What people ask of jobs.

use std::sync::Arc;
use std::time::Duration;

use atoll_lifecycle::{Decision, Request, SandboxSeen, decide, job_status};
use atoll_ports::{AuditScope, Durability, JobRecord, Page, StoreError};
use atoll_types::{ErrorCode, ExecId, JobDesired, JobId, JobPhase, JobSpec, JobStatus, SandboxId, bounds};
use tokio_util::sync::CancellationToken;

use super::drive::{came_up, job_state};
use super::table::Reserved;
use crate::records::state;
use crate::sandbox::denied;
use crate::{Caller, Engine, EngineError, JobView};

/// Time that a delete waits for the end of the run: the graces of TERM and KILL, and a little.
const DELETE_PATIENCE: Duration = Duration::from_secs(20);

/// Time that a look at jobs waits for an agent: one that is well answers within a millisecond.
const PID_PATIENCE: Duration = Duration::from_millis(500);

impl Engine {
    /// Makes a job and begins its first run; returns once the job is written down.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_not_running`, `too_many_jobs`.
    pub async fn job_create(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        spec: JobSpec,
    ) -> Result<JobView, EngineError> {
        let record = self.owned(caller, sandbox)?;
        if let Decision::Denied(denial) = decide(Request::Exec, state(&record)) {
            return Err(denied(denial));
        }
        let reserved = Reserved::new(self, sandbox).ok_or_else(|| {
            let text = format!("the sandbox has {} background jobs, and may have no more", bounds::JOBS_MAX);
            EngineError::new(ErrorCode::TooManyJobs, text)
        })?;
        let job = JobRecord {
            id: JobId::random(),
            sandbox: sandbox.clone(),
            spec,
            desired: JobDesired::Running,
            phase: JobPhase::Running,
            sandbox_started_at: came_up(&record),
            starts: 1,
            retries: 0,
            runs: vec![ExecId::random()],
            last_end: None,
            generation: 1,
            created_at: self.inner.ports.clock.now(),
        };
        self.inner.activity.touch(sandbox, self.inner.ports.clock.boot_time());
        AuditScope::detail("job", job.id.as_str());
        let engine = self.clone();
        let work = async move { engine.create_job_now(job, reserved).await };
        let job = self.inner.operations.run_detached("create job", AuditScope::carry(work)).await??;
        Ok(self.job_view(&job))
    }

    async fn create_job_now(
        &self,
        job: JobRecord,
        _reserved: Reserved,
    ) -> Result<Arc<JobRecord>, EngineError> {
        if let Err(error) = self.inner.ports.store.job_insert(&job).await {
            // The answer may be what failed: the id is ours alone, so a record of it is this one.
            match self.inner.ports.store.job_get(&job.sandbox, &job.id).await {
                Ok(Some(_)) => {}
                _ if matches!(error, StoreError::Absent { .. }) => {
                    let text = "the sandbox was deleted meanwhile";
                    return Err(EngineError::new(ErrorCode::SandboxDeleting, text));
                }
                _ => return Err(error.into()),
            }
        }
        let job = self.inner.jobs.remember(job);
        self.drive_job(&job.id);
        Ok(job)
    }

    /// One job.
    ///
    /// # Errors
    /// `sandbox_not_found`, `job_not_found`.
    pub async fn job_get(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        id: &JobId,
    ) -> Result<JobView, EngineError> {
        let mut view = self.job_view(&*self.owned_job(caller, sandbox, id)?);
        self.add_pids(sandbox, std::slice::from_mut(&mut view)).await;
        Ok(view)
    }

    /// The jobs of a sandbox, newest first.
    ///
    /// # Errors
    /// `sandbox_not_found`, a malformed cursor.
    pub async fn job_list(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<JobView>, EngineError> {
        self.owned(caller, sandbox)?;
        let page = self.inner.ports.store.job_list(sandbox, cursor, limit).await?;
        let mut items: Vec<JobView> = page.items.iter().map(|job| self.job_view(job)).collect();
        self.add_pids(sandbox, &mut items).await;
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    /// Ends a job: TERM to its run, KILL after a while, and then it is gone. Its runs stay readable as execs.
    ///
    /// # Errors
    /// `sandbox_not_found`, `job_not_found`; `sandbox_not_running` where the sandbox is neither up nor down: nothing is changed
    /// then; `agent_unreachable`: then it is tried again until it is gone.
    pub async fn job_delete(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        id: &JobId,
    ) -> Result<(), EngineError> {
        let record = self.owned(caller, sandbox)?;
        let job = self.owned_job(caller, sandbox, id)?;
        if self.sandbox_seen(&job) == SandboxSeen::Between
            && let Decision::Denied(denial) = decide(Request::Exec, state(&record))
        {
            return Err(denied(denial));
        }
        let (engine, job) = (self.clone(), id.clone());
        let work = async move { engine.unwant(&job).await };
        let Some(gone) = self.inner.operations.run_detached("delete job", AuditScope::carry(work)).await??
        else {
            return Ok(());
        };
        tokio::select! {
            // Cancel safe: all three only wait; the driver goes on.
            () = gone.cancelled() => Ok(()),
            () = self.inner.drains.token().cancelled() => Err(atoll_tasks::ShuttingDown.into()),
            () = self.inner.ports.clock.sleep(DELETE_PATIENCE) => {
                let text = "the job is being ended, and does not end yet: ask again";
                Err(EngineError::new(ErrorCode::AgentUnreachable, text))
            }
        }
    }

    /// Writes down that a job is to be gone, and tells its driver; answers with what tells when it is.
    async fn unwant(&self, id: &JobId) -> Result<Option<CancellationToken>, EngineError> {
        let gone = self.inner.jobs.gone(id);
        let unwanted = |job: &mut JobRecord| job.desired = JobDesired::Deleted;
        if !self.insist_job(id, Durability::Power, unwanted).await? {
            return Ok(None);
        }
        self.drive_job(id);
        Ok(gone)
    }

    /// The one way to a job: by its sandbox, which is the caller's.
    pub(super) fn owned_job(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        id: &JobId,
    ) -> Result<Arc<JobRecord>, EngineError> {
        self.owned(caller, sandbox)?;
        let job = self.inner.jobs.get(id).filter(|job| job.sandbox == *sandbox);
        job.ok_or_else(|| EngineError::new(ErrorCode::JobNotFound, "this sandbox has no such background job"))
    }

    fn job_view(&self, job: &JobRecord) -> JobView {
        let status = job_status(job_state(job), self.sandbox_seen(job));
        JobView { record: job.clone(), status, pid: None }
    }

    /// Asks the agent for the processes of those that run. Who does not answer soon leaves them out: a look at jobs waits for
    /// nothing that hangs.
    async fn add_pids(&self, sandbox: &SandboxId, views: &mut [JobView]) {
        if !views.iter().any(|view| view.status == JobStatus::Running) {
            return;
        }
        let ports = &self.inner.ports;
        let held = tokio::select! {
            // Cancel safe: both only wait, and a question that is dropped has changed nothing.
            held = ports.agents.list(sandbox) => held.unwrap_or_default(),
            () = ports.clock.sleep(PID_PATIENCE) => Vec::new(),
        };
        for view in views.iter_mut().filter(|view| view.status == JobStatus::Running) {
            let run = held.iter().find(|held| view.record.runs.last() == Some(&held.exec));
            view.pid = run.and_then(|run| run.pid);
        }
    }
}
