//! Start, stop, restart, delete and keepalive.

use std::sync::Arc;

use atoll_lifecycle::{Decision, Denial, Request, decide};
use atoll_ports::{AuditScope, Durability, SandboxRecord};
use atoll_types::{Desired, ErrorCode, OperationKind, SandboxId, StopReason};

use crate::operation::begin;
use crate::records::{ChangeError, state};
use crate::{Caller, Engine, EngineError, SandboxView};

/// What a denial is answered with.
pub(crate) fn denied(denial: Denial) -> EngineError {
    match denial {
        Denial::Deleting => EngineError::new(ErrorCode::SandboxDeleting, "the sandbox is being deleted"),
        Denial::NotRunning(status) => EngineError::new(
            ErrorCode::SandboxNotRunning,
            format!("the sandbox is {}: start it first", status.as_str()),
        ),
        Denial::Paused => paused(),
    }
}

/// What everything that needs processes of a paused sandbox is answered with.
pub(crate) fn paused() -> EngineError {
    EngineError::new(ErrorCode::SandboxPaused, "the sandbox is paused: resume it first")
}

impl Engine {
    /// Brings a stopped sandbox up; one that runs is left as it is.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_deleting`, `disk_full`, `runtime_failed`: then it is shown as failed, with its files.
    pub async fn sandbox_start(&self, caller: &Caller, id: &SandboxId) -> Result<SandboxView, EngineError> {
        self.request(caller, id, Request::Start).await
    }

    /// Takes a sandbox down; its files stay.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_deleting`, `runtime_failed`: then it is tried again.
    pub async fn sandbox_stop(&self, caller: &Caller, id: &SandboxId) -> Result<SandboxView, EngineError> {
        self.request(caller, id, Request::Stop).await
    }

    /// Takes a sandbox down where it is up, and brings it up.
    ///
    /// # Errors
    /// As those of start and stop.
    pub async fn sandbox_restart(&self, caller: &Caller, id: &SandboxId) -> Result<SandboxView, EngineError> {
        self.request(caller, id, Request::Restart).await
    }

    /// Counts a running sandbox as active.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_not_running`.
    pub async fn sandbox_keepalive(
        &self,
        caller: &Caller,
        id: &SandboxId,
    ) -> Result<SandboxView, EngineError> {
        let record = self.owned(caller, id)?;
        match decide(Request::Keepalive, state(&record)) {
            Decision::Denied(denial) => Err(denied(denial)),
            Decision::Accept(_) | Decision::AlreadyDone => {
                self.inner.activity.touch(id, self.inner.ports.clock.boot_time());
                Ok(self.view(&record))
            }
        }
    }

    /// Removes a sandbox with everything of it, from any state.
    ///
    /// # Errors
    /// `sandbox_not_found`; `runtime_failed`: then it is tried again until it is gone.
    pub async fn sandbox_delete(&self, caller: &Caller, id: &SandboxId) -> Result<(), EngineError> {
        self.owned(caller, id)?;
        let (engine, id) = (self.clone(), id.clone());
        let work = async move { engine.delete_now(&id).await };
        self.inner.operations.run_detached("delete sandbox", AuditScope::carry(work)).await?
    }

    pub(super) async fn request(
        &self,
        caller: &Caller,
        id: &SandboxId,
        request: Request,
    ) -> Result<SandboxView, EngineError> {
        let record = self.owned(caller, id)?;
        let reserved = match request {
            Request::Start | Request::Restart => self.reserve_start(&record)?,
            Request::Stop
            | Request::Delete
            | Request::Exec
            | Request::Keepalive
            | Request::Pause
            | Request::Resume
            | Request::Measure => None,
        };
        let (engine, id) = (self.clone(), id.clone());
        let work = async move {
            let _reserved = reserved;
            engine.request_now(&id, request, StopReason::Requested).await
        };
        let record = self.inner.operations.run_detached("change sandbox", AuditScope::carry(work)).await??;
        Ok(self.view(&record))
    }

    /// Carries out a request as soon as the sandbox's driver is free.
    pub(crate) async fn request_now(
        &self,
        id: &SandboxId,
        request: Request,
        reason: StopReason,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        let driver = self.inner.drivers.acquire(id).await;
        let mut record = self.inner.records.get(id).ok_or_else(not_found)?;
        if record.operation.is_some() {
            // What a crash or a failure cut off comes first.
            record = self.take_up(&driver, record).await?;
        }
        match decide(request, state(&record)) {
            Decision::Denied(denial) => Err(denied(denial)),
            Decision::AlreadyDone => Ok(record),
            Decision::Accept(None) => match request {
                Request::Pause => self.pause_held(&driver, id).await,
                Request::Resume => self.resume_held(&driver, id).await,
                Request::Start
                | Request::Stop
                | Request::Restart
                | Request::Delete
                | Request::Exec
                | Request::Keepalive
                | Request::Measure => Ok(record),
            },
            Decision::Accept(Some(kind)) => {
                let reason = (kind == OperationKind::Stop).then_some(reason);
                if request == Request::Restart && kind == OperationKind::Stop {
                    let again = Desired::Running;
                    return Ok(self.operate_towards(&driver, id, kind, again, reason).await?);
                }
                Ok(self.operate(&driver, id, kind, reason).await?)
            }
        }
    }

    /// Deletes: first the wish is written over whatever is under way and its driver preempted, then the work is done.
    pub(crate) async fn delete_now(&self, id: &SandboxId) -> Result<(), EngineError> {
        let delete = begin(OperationKind::Delete, self);
        let marked = self.inner.records.change(id, Durability::Power, |record| {
            let deleting = record.operation.as_ref().is_some_and(|o| o.kind == OperationKind::Delete);
            record.desired = Desired::Deleted;
            if !deleting {
                record.operation = Some(delete.clone());
            }
            Ok::<(), ()>(())
        });
        match marked.await {
            Ok(_) => {}
            Err(ChangeError::Absent | ChangeError::Refused(())) => return Ok(()),
            Err(ChangeError::Store(error)) => return Err(error),
        }
        self.inner.drivers.preempt(id);
        let driver = self.inner.drivers.acquire(id).await;
        // Another delete may have done it while this one waited.
        let Some(record) = self.inner.records.get(id) else { return Ok(()) };
        self.run_operation(&driver, record).await?;
        Ok(())
    }
}

pub(crate) fn not_found() -> EngineError {
    EngineError::new(ErrorCode::SandboxNotFound, "there is no such sandbox: 'atoll ls' shows yours")
}
