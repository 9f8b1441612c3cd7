//! Bringing records and reality together.
//!
//! A pass takes no input, looks at everything, and is idempotent. It runs at boot, once a minute, and whenever the
//! runtime may have changed unseen. It does not try again inside: the next pass does.

use std::collections::{HashMap, HashSet};

use atoll_lifecycle::{Action, Found, plan};
use atoll_ports::{Durability, SandboxRecord};
use atoll_tasks::Kind;
use atoll_types::{Observed, OperationKind, SandboxId, StopReason};

use crate::operation::Cut;
use crate::records::{ChangeError, state};
use crate::{Engine, EngineError};

/// Times that an operation that was cut off is taken up before it is given up and undone.
const ATTEMPTS_MAX: u32 = 5;

impl Engine {
    /// One full pass.
    pub(crate) async fn reconcile(&self) -> Result<(), EngineError> {
        // First what is there, then the records: whatever was made in between has a record by then.
        let found = self.inner.ports.runtime.list().await?;
        let found: HashMap<SandboxId, Found> = found
            .into_iter()
            .map(|f| (f.sandbox, if f.running { Found::Running } else { Found::Files }))
            .collect();
        let records = self.inner.records.all();
        let known: HashSet<&SandboxId> = records.iter().map(|r| &r.id).collect();
        for id in found.keys().filter(|id| !known.contains(id)) {
            self.remove_unowned(id).await;
        }
        for record in &records {
            let found = found.get(&record.id).copied().unwrap_or(Found::Nothing);
            if let Err(error) = self.settle_sandbox(&record.id, found).await {
                tracing::warn!(sandbox.id = %record.id, "sandbox {} cannot be settled yet: {error}", record.id);
            }
        }
        self.remove_unowned_logs().await?;
        self.recover_execs().await
    }

    async fn remove_unowned(&self, id: &SandboxId) {
        tracing::info!(sandbox.id = %id, "removing what is left of {id}: no record owns it");
        if let Err(error) = self.inner.ports.runtime.remove(id).await {
            tracing::warn!(sandbox.id = %id, "remains of {id} cannot be removed yet: {error}");
        }
    }

    async fn remove_unowned_logs(&self) -> Result<(), EngineError> {
        for id in self.inner.ports.exec_logs.sandboxes().await? {
            if self.inner.records.get(&id).is_none() {
                self.inner.ports.exec_logs.remove_sandbox(&id).await?;
            }
        }
        Ok(())
    }

    async fn settle_sandbox(&self, id: &SandboxId, seen: Found) -> Result<(), EngineError> {
        let Some(record) = self.inner.records.get(id) else { return Ok(()) };
        if plan(state(&record), seen, self.host_restarted(&record)) == Action::Nothing {
            return Ok(());
        }
        let driver = self.inner.drivers.acquire(id).await;
        // Looked at again with the driver in hand: what was seen may have been work under way.
        let Some(record) = self.inner.records.get(id) else { return Ok(()) };
        let seen = self.look(id).await?;
        let action = plan(state(&record), seen, self.host_restarted(&record));
        match action {
            Action::Nothing => Ok(()),
            Action::Resume(kind) => self.resume_operation(&driver, &record, kind).await,
            Action::Delete => settled(self.operate(&driver, id, OperationKind::Delete, None).await),
            Action::Stop => {
                settled(self.operate(&driver, id, OperationKind::Stop, Some(StopReason::Requested)).await)
            }
            Action::Crash => self.note_crash(id).await,
            Action::NoteRunning => self.note(id, Observed::Running, None).await,
            Action::NoteStopped => {
                self.sandbox_is_down(id, "the host was restarted").await?;
                self.note(id, Observed::Stopped, Some(StopReason::HostRestarted)).await
            }
        }
    }

    async fn look(&self, id: &SandboxId) -> Result<Found, EngineError> {
        let all = self.inner.ports.runtime.list().await?;
        let one = all.into_iter().find(|f| f.sandbox == *id);
        Ok(one.map_or(Found::Nothing, |f| if f.running { Found::Running } else { Found::Files }))
    }

    /// Whether the host booted since this record was last written by a running serve.
    fn host_restarted(&self, record: &SandboxRecord) -> bool {
        let Some(started) = record.started_at else { return false };
        let clock = &self.inner.ports.clock;
        let up_ms = i64::try_from(clock.boot_time().as_ms()).unwrap_or(i64::MAX);
        started.as_unix_ms() < clock.now().as_unix_ms().saturating_sub(up_ms)
    }

    async fn resume_operation(
        &self,
        driver: &crate::drivers::Driver<'_>,
        record: &SandboxRecord,
        kind: OperationKind,
    ) -> Result<(), EngineError> {
        let Some(operation) = record.operation.clone() else { return Ok(()) };
        if operation.kind != kind || operation.attempts >= ATTEMPTS_MAX && kind == OperationKind::Create {
            return settled(self.operate(driver, &record.id, OperationKind::Delete, None).await);
        }
        let counted = self.inner.records.change(&record.id, Durability::Process, |record| {
            let own = record.operation.as_mut().filter(|o| o.id == operation.id).ok_or(())?;
            own.attempts = own.attempts.saturating_add(1);
            Ok(())
        });
        match counted.await {
            Ok(record) => settled(self.run_operation(driver, record).await),
            Err(ChangeError::Refused(()) | ChangeError::Absent) => Ok(()),
            Err(ChangeError::Store(error)) => Err(error),
        }
    }

    /// The agent of a sandbox died: what is left of it is cleared, its files stay, its execs are lost.
    async fn note_crash(&self, id: &SandboxId) -> Result<(), EngineError> {
        self.inner.ports.runtime.stop(id).await?;
        self.note(id, Observed::Crashed, None).await?;
        self.sandbox_is_down(id, "the agent of the sandbox died").await
    }

    async fn note(
        &self,
        id: &SandboxId,
        observed: Observed,
        reason: Option<StopReason>,
    ) -> Result<(), EngineError> {
        let noted = self.inner.records.change(id, Durability::Process, |record| {
            record.observed = observed;
            if reason.is_some() {
                record.stop_reason = reason;
            }
            Ok::<(), ()>(())
        });
        match noted.await {
            Ok(_) | Err(ChangeError::Refused(()) | ChangeError::Absent) => Ok(()),
            Err(ChangeError::Store(error)) => Err(error),
        }
    }

    /// The runtime says that an agent ended. It may be part of a stop under way: the driver tells.
    pub(crate) fn agent_exited(&self, id: SandboxId) {
        let engine = self.clone();
        let spawned = self.inner.operations.spawn("settle crash", Kind::WORK, move |_| async move {
            engine.settle_sandbox(&id, Found::Files).await
        });
        // A serve that stops leaves it to the next one's boot.
        drop(spawned);
    }
}

fn settled<T>(result: Result<T, Cut>) -> Result<(), EngineError> {
    match result {
        Ok(_) | Err(Cut::Overtaken) => Ok(()),
        Err(Cut::Failed(error)) => Err(error),
    }
}
