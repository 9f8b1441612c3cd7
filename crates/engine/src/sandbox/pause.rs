//! Pause and resume.
//!
//! Neither is an operation: each is one step, and what was asked and what was seen change in one write behind it. Cut off in
//! between, the reconciler finds another state in the kernel than was asked, and brings it back: a pause or resume that
//! was not answered has not happened.

use std::sync::Arc;

use atoll_lifecycle::{Denial, Request};
use atoll_ports::{Durability, RuntimeError, SandboxRecord};
use atoll_types::{Desired, Observed, SandboxId};

use super::lifecycle::not_found;
use crate::drivers::Driver;
use crate::records::ChangeError;
use crate::sandbox::denied;
use crate::{Caller, Engine, EngineError, SandboxView};

impl Engine {
    /// Freezes everything that runs in a sandbox; its memory stays as it is.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_not_running`, `sandbox_deleting`; `runtime_failed`: then it runs on.
    pub async fn sandbox_pause(&self, caller: &Caller, id: &SandboxId) -> Result<SandboxView, EngineError> {
        self.request(caller, id, Request::Pause).await
    }

    /// Lets a paused sandbox go on where it was; its idle time begins anew.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_not_running`, `sandbox_deleting`, `runtime_failed`.
    pub async fn sandbox_resume(&self, caller: &Caller, id: &SandboxId) -> Result<SandboxView, EngineError> {
        self.request(caller, id, Request::Resume).await
    }

    pub(crate) async fn pause_held(
        &self,
        driver: &Driver<'_>,
        id: &SandboxId,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        unless_deleted(driver, self.runtime_of(id)?.pause(id)).await?;
        self.note_asked_and_seen(id, Desired::Paused, Observed::Paused).await
    }

    pub(crate) async fn resume_held(
        &self,
        driver: &Driver<'_>,
        id: &SandboxId,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        unless_deleted(driver, self.runtime_of(id)?.resume(id)).await?;
        self.inner.activity.touch(id, self.inner.ports.clock.boot_time());
        let resumed = self.note_asked_and_seen(id, Desired::Running, Observed::Running).await?;
        // One whose wait ended meanwhile starts now.
        self.drive_jobs(id);
        Ok(resumed)
    }

    async fn note_asked_and_seen(
        &self,
        id: &SandboxId,
        desired: Desired,
        observed: Observed,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        // Not for the loss of power: it would end what is paused.
        let changed = self.inner.records.change(id, Durability::Process, |record| {
            if record.desired == Desired::Deleted {
                return Err(());
            }
            record.desired = desired;
            record.observed = observed;
            Ok(())
        });
        match changed.await {
            Ok(record) => Ok(record),
            Err(ChangeError::Refused(())) => Err(denied(Denial::Deleting)),
            Err(ChangeError::Absent) => Err(not_found()),
            Err(ChangeError::Store(error)) => Err(error),
        }
    }
}

/// A delete does not wait for it: whatever it has done then goes with the sandbox.
async fn unless_deleted(
    driver: &Driver<'_>,
    work: impl Future<Output = Result<(), RuntimeError>>,
) -> Result<(), EngineError> {
    tokio::select! {
        // Cancel safe: a call that is dropped is only not waited for.
        () = driver.preempted.cancelled() => Err(denied(Denial::Deleting)),
        done = work => Ok(done?),
    }
}
