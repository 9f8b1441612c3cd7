//! The end of a job: its run is ended, then its record goes.

use std::sync::Arc;
use std::time::Duration;

use atoll_lifecycle::SandboxSeen;
use atoll_ports::{AgentError, JobRecord};
use atoll_types::{ErrorCode, ExecId, JobPhase, SandboxId, Signal};

use super::drive::{Signals, Stepped};
use crate::exec::LiveExec;
use crate::{Engine, EngineError};

/// Time that a run has to end after TERM before it is killed: what Docker gives.
const TERM_GRACE: Duration = Duration::from_secs(10);
/// Time that an agent has to take a signal, and a killed run to be seen ended.
const KILL_LIMIT: Duration = Duration::from_secs(5);

impl Engine {
    /// Ends the run of a job and removes its record.
    pub(super) async fn remove_job(
        &self,
        job: &JobRecord,
        signals: Signals<'_>,
    ) -> Result<Stepped, EngineError> {
        if job.phase == JobPhase::Running
            && self.sandbox_seen(job) == SandboxSeen::Same
            && let Some(exec) = job.runs.last()
        {
            tokio::select! {
                // May be dropped anywhere: the next serve ends the run again.
                () = signals.token.cancelled() => return Ok(Stepped::Cut),
                ended = self.end_run(&job.sandbox, exec) => ended?,
            }
        }
        self.inner.ports.store.job_remove(&job.sandbox, &job.id).await?;
        self.inner.jobs.remove(&job.id);
        Ok(Stepped::Rest)
    }

    async fn end_run(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<(), EngineError> {
        if let Some(live) = self.inner.execs.get(sandbox, exec) {
            return self.end_live_run(&live).await;
        }
        match self.inner.ports.store.exec_get(sandbox, exec).await? {
            Some(record) if record.outcome.is_some() => Ok(()),
            Some(record) => {
                self.resume(record);
                match self.inner.execs.get(sandbox, exec) {
                    Some(live) => self.end_live_run(&live).await,
                    None => Ok(()),
                }
            }
            // It was never begun, or by a serve that died before anything of it was written down.
            None => {
                sent(self.inner.ports.agents.signal(sandbox, exec, Signal::Kill)).await?;
                self.inner.acks.unsettle(sandbox);
                Ok(())
            }
        }
    }

    async fn end_live_run(&self, live: &Arc<LiveExec>) -> Result<(), EngineError> {
        // A signal before its agent has it would be lost.
        if tokio::time::timeout(KILL_LIMIT, live.kept()).await.is_err() {
            return Err(late());
        }
        sent(self.inner.ports.agents.terminate(live.sandbox(), live.id())).await?;
        if tokio::time::timeout(TERM_GRACE, live.ended()).await.is_ok() {
            return Ok(());
        }
        sent(self.inner.ports.agents.signal(live.sandbox(), live.id(), Signal::Kill)).await?;
        tokio::time::timeout(KILL_LIMIT, live.ended()).await.map(drop).map_err(|_| late())
    }
}

/// Waits until an agent took a signal; a run that has ended needs none.
async fn sent(signal: impl Future<Output = Result<(), AgentError>>) -> Result<(), EngineError> {
    match tokio::time::timeout(KILL_LIMIT, signal).await {
        Ok(Ok(()) | Err(AgentError::NotFound)) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(late()),
    }
}

fn late() -> EngineError {
    EngineError::new(
        ErrorCode::AgentUnreachable,
        "the run of the job does not end: its sandbox does not answer",
    )
}
