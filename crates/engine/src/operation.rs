//! Crash-safe operations: lists of steps, each of which may be repeated and undone.
//!
//! ```text
//!   create  start runtime ─ start main process ─ open ports  undo: becomes a delete, nothing is left
//!   start   start runtime ─ start main process ─ open ports  undo: stop runtime; shown as failed
//!   stop    end main process, jobs ─ stop runtime            no undo: it is tried again until it succeeds;
//!                                                            a restart is a stop that a start follows in one write
//!   delete  remove runtime ─ remove logs ─ remove record     no undo: it is tried again until it succeeds
//! ```
//! The record names the operation and the number of steps known to be done. Whoever takes it up after a crash repeats
//! the step that may be done in part. A delete overtakes: it writes itself over whatever operation was there, whose
//! driver then finds that the operation is no longer its own and lets go.

mod undo;

use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{Durability, OperationRecord, SandboxRecord, StartRequest};
use atoll_tasks::Kind;
use atoll_types::{
    Desired, ErrorCode, ExecId, Observed, OperationId, OperationKind, SandboxId, Signal, StopReason,
};

use crate::drivers::Driver;
use crate::exec::LiveExec;
use crate::records::ChangeError;
use crate::runtimes::lost;
use crate::{Engine, EngineError};

/// Time that a main process, or the run of a job, has to end after TERM before its sandbox is stopped anyway: what Docker gives.
const MAIN_GRACE: Duration = Duration::from_secs(10);

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    StartRuntime,
    StartMain,
    OpenPorts,
    EndMain,
    StopRuntime,
    RemoveRuntime,
    RemoveLogs,
    RemoveRecord,
}

/// The steps of an operation, in order.
pub(crate) const fn steps(kind: OperationKind) -> &'static [Step] {
    match kind {
        OperationKind::Create | OperationKind::Start => {
            &[Step::StartRuntime, Step::StartMain, Step::OpenPorts]
        }
        OperationKind::Stop => &[Step::EndMain, Step::StopRuntime],
        OperationKind::Delete => &[Step::RemoveRuntime, Step::RemoveLogs, Step::RemoveRecord],
    }
}

/// Why an operation did not come to its end.
#[derive(Debug)]
pub(crate) enum Cut {
    /// A delete took over; the sandbox is not ours any more.
    Overtaken,
    /// A step failed; what it did has been undone where the operation has an undo.
    Failed(EngineError),
}

impl From<Cut> for EngineError {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Overtaken => Self::new(ErrorCode::SandboxDeleting, "the sandbox was deleted meanwhile"),
            Cut::Failed(error) => error,
        }
    }
}

impl From<EngineError> for Cut {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// A new operation, at its first step.
pub(crate) fn begin(kind: OperationKind, engine: &Engine) -> OperationRecord {
    let started_at = engine.inner.ports.clock.now();
    OperationRecord { id: OperationId::random(), kind, step: 0, attempts: 1, started_at }
}

/// The main process of a start is named after its operation, so that a start that is taken up again finds it.
fn main_exec_id(operation: &OperationRecord) -> Result<ExecId, EngineError> {
    let text = format!("{}0000", operation.id);
    text.parse().map_err(|e| EngineError::new(ErrorCode::Internal, "a defect of Atoll").because(e))
}

/// Whether a step has nothing to do for this sandbox: a sandbox without a main process costs no writes for it.
fn is_empty(step: Step, record: &SandboxRecord) -> bool {
    match step {
        Step::StartMain | Step::EndMain => record.spec.main_command().is_none(),
        Step::OpenPorts => record.spec.ports.is_empty(),
        Step::StartRuntime
        | Step::StopRuntime
        | Step::RemoveRuntime
        | Step::RemoveLogs
        | Step::RemoveRecord => false,
    }
}

/// Whether the operation that the record names has nothing left to do but its end.
pub(crate) fn is_done(record: &SandboxRecord) -> bool {
    record.operation.as_ref().is_some_and(|operation| {
        let done = usize::try_from(operation.step).unwrap_or(usize::MAX);
        steps(operation.kind).iter().skip(done).all(|step| is_empty(*step, record))
    })
}

impl Engine {
    /// Runs the operation that the record names, from the step it stands at, and the one that follows it. The caller
    /// holds the driver.
    pub(crate) async fn run_operation(
        &self,
        driver: &Driver<'_>,
        record: Arc<SandboxRecord>,
    ) -> Result<Arc<SandboxRecord>, Cut> {
        let mut record = record;
        while let Some(operation) = record.operation.clone() {
            record = match self.run_steps(driver, &record, &operation).await {
                Ok(record) => record,
                Err(cut) => return Err(self.undo(&record, &operation, cut).await),
            };
            if operation.kind == OperationKind::Delete {
                break;
            }
        }
        Ok(record)
    }

    /// Takes up an operation that was cut off: finishes it, or undoes it where it has failed already.
    pub(crate) async fn take_up(
        &self,
        driver: &Driver<'_>,
        record: Arc<SandboxRecord>,
    ) -> Result<Arc<SandboxRecord>, Cut> {
        let Some(operation) = record.operation.clone() else { return Ok(record) };
        let Some(why) = self.inner.drivers.doomed(&operation.id) else {
            return self.run_operation(driver, record).await;
        };
        let failed = Cut::Failed(EngineError::new(ErrorCode::RuntimeFailed, why));
        let cut = self.undo(&record, &operation, failed).await;
        match self.inner.records.get(&record.id) {
            Some(record) if record.operation.is_none() => Ok(record),
            Some(_) => Err(cut),
            None => Err(Cut::Overtaken),
        }
    }

    async fn run_steps(
        &self,
        driver: &Driver<'_>,
        record: &Arc<SandboxRecord>,
        operation: &OperationRecord,
    ) -> Result<Arc<SandboxRecord>, Cut> {
        let all = steps(operation.kind);
        let done = usize::try_from(operation.step).unwrap_or(usize::MAX).min(all.len());
        let mut record = Arc::clone(record);
        for (at, step) in all.iter().enumerate().skip(done) {
            self.run_step(driver, *step, &record, operation).await?;
            let worth_a_note =
                all.get(at + 1).is_some_and(|next| !is_empty(*next, &record)) && !is_empty(*step, &record);
            if worth_a_note {
                record = self.note_step(&record.id, operation, at + 1).await?;
            }
        }
        self.finish(&record, operation).await
    }

    async fn run_step(
        &self,
        driver: &Driver<'_>,
        step: Step,
        record: &SandboxRecord,
        operation: &OperationRecord,
    ) -> Result<(), Cut> {
        let work = self.step(step, record, operation);
        if operation.kind == OperationKind::Delete {
            return Ok(work.await?);
        }
        tokio::select! {
            // A step that is dropped may be done in part; the delete that wants the sandbox removes what it made.
            () = driver.preempted.cancelled() => Err(Cut::Overtaken),
            done = work => Ok(done?),
        }
    }

    async fn step(
        &self,
        step: Step,
        record: &SandboxRecord,
        operation: &OperationRecord,
    ) -> Result<(), EngineError> {
        let ports = &self.inner.ports;
        let id = &record.id;
        match step {
            // At the same time, since both take a while: a create is acknowledged only when its record is on the disk.
            Step::StartRuntime if operation.kind == OperationKind::Create => {
                let started = async {
                    self.start_runtime(record).await?;
                    self.greet_soon(id);
                    Ok::<(), EngineError>(())
                };
                let (started, flushed) = tokio::join!(started, ports.store.flush());
                started?;
                Ok(flushed?)
            }
            Step::StartRuntime => self.start_runtime(record).await,
            Step::StartMain => {
                let id = main_exec_id(operation)?;
                if operation.kind != OperationKind::Create {
                    self.drop_earlier_main_logs(record, &id).await?;
                }
                self.start_main(record, id).await
            }
            Step::OpenPorts => {
                self.open_ports(record).await;
                Ok(())
            }
            // What is frozen hears nothing: it is killed first and thawed then.
            Step::EndMain if record.observed == Observed::Paused => Ok(()),
            Step::EndMain => {
                self.end_main(record).await;
                Ok(())
            }
            Step::StopRuntime => {
                let kind = record.spec.runtime;
                ports.runtimes.of(kind)?.stop(id).await.map_err(|error| lost(kind, error))?;
                self.sandbox_is_down(id, "the sandbox was stopped").await
            }
            Step::RemoveRuntime => {
                let kind = record.spec.runtime;
                ports.runtimes.of(kind)?.remove(id).await.map_err(|error| lost(kind, error))?;
                self.sandbox_is_down(id, "the sandbox was deleted").await
            }
            Step::RemoveLogs => Ok(ports.exec_logs.remove_sandbox(id).await?),
            Step::RemoveRecord => {
                let source = self.inner.records.get(id).map(|record| record.spec.source.clone());
                self.inner.records.remove(id).await?;
                self.left_by(source).await;
                Ok(())
            }
        }
    }

    async fn start_runtime(&self, record: &SandboxRecord) -> Result<(), EngineError> {
        let request =
            StartRequest { sandbox: record.id.clone(), uid_slot: record.uid_slot, spec: record.spec.clone() };
        let kind = record.spec.runtime;
        let started = self.inner.ports.runtimes.of(kind)?.start(&request).await;
        let started = started.map_err(|error| lost(kind, error))?;
        if started.dirty {
            tracing::warn!(sandbox.id = %record.id, "sandbox {} was not closed properly: its last writes may be gone", record.id);
        }
        Ok(())
    }

    /// Opens the way to the agent of a new sandbox while the create is still being answered: its first command, which
    /// most often comes at once, need not wait for that.
    pub(crate) fn greet_soon(&self, id: &SandboxId) {
        let (engine, id) = (self.clone(), id.clone());
        let spawned = self.inner.drains.spawn("greet agent", Kind::WORK, move |token| async move {
            tokio::select! {
                () = token.cancelled() => {}
                // Whoever needs the agent next tries again, and hears of an error.
                _ = engine.inner.ports.agents.greet(&id) => {}
            }
        });
        // A serve that stops needs no connections.
        drop(spawned);
    }

    /// Asks the main process and the runs of jobs to end, and waits for them a bounded time. Their failure is no reason not
    /// to stop.
    async fn end_main(&self, record: &SandboxRecord) {
        let mut all = self.inner.execs.mains(&record.id);
        all.extend(self.live_runs(&record.id));
        let end = async |exec: Arc<LiveExec>| {
            let signal = self.inner.ports.agents.signal(&record.id, exec.id(), Signal::Term);
            if tokio::time::timeout(MAIN_GRACE, signal).await.is_ok_and(|sent| sent.is_ok()) {
                let ended = tokio::time::timeout(MAIN_GRACE, exec.ended()).await;
                if ended.is_err() {
                    tracing::info!(sandbox.id = %record.id, "{} of {} did not end in time", exec.id(), record.id);
                }
            }
        };
        futures_util::future::join_all(all.into_iter().map(end)).await;
    }

    /// Everything that ran in a sandbox has ended with it.
    pub(crate) async fn sandbox_is_down(&self, id: &SandboxId, why: &str) -> Result<(), EngineError> {
        self.close_ports(id).await;
        self.inner.ports.agents.forget(id);
        self.inner.acks.forget(id);
        self.lose_execs(id, why).await
    }

    /// A sandbox is gone: so is what memory has of it.
    fn forget(&self, id: &SandboxId) {
        self.inner.activity.forget(id);
        self.inner.acks.forget(id);
        self.inner.exec_rates.forget(id);
        self.inner.jobs.retain(|sandbox| sandbox != id);
        self.inner.health_checks.forget(id);
        self.inner.ports.agents.forget(id);
    }

    async fn note_step(
        &self,
        id: &SandboxId,
        operation: &OperationRecord,
        step: usize,
    ) -> Result<Arc<SandboxRecord>, Cut> {
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        self.change_own(id, operation, Durability::Process, |own, _| own.step = step, |_| ()).await
    }

    /// Writes the end of an operation.
    async fn finish(
        &self,
        record: &Arc<SandboxRecord>,
        operation: &OperationRecord,
    ) -> Result<Arc<SandboxRecord>, Cut> {
        let now = self.inner.ports.clock.now();
        if operation.kind == OperationKind::Delete {
            self.forget(&record.id);
            return Ok(Arc::clone(record));
        }
        self.inner.activity.touch(&record.id, self.inner.ports.clock.boot_time());
        let observed = match operation.kind {
            OperationKind::Create | OperationKind::Start => Observed::Running,
            OperationKind::Stop | OperationKind::Delete => Observed::Stopped,
        };
        let (start, boot_id) = (begin(OperationKind::Start, self), self.inner.ports.clock.boot_id());
        let host_ports = self.inner.published.ports(&record.id);
        let ended = self.end_own(&record.id, operation, |record| {
            record.observed = observed;
            record.failure = None;
            if observed == Observed::Running {
                record.started_at = Some(now);
                record.boot_id = Some(boot_id.clone());
                record.stop_reason = None;
                record.host_ports.clone_from(&host_ports);
            } else if record.desired == Desired::Running {
                // A restart: its second half begins in the write that ends the first, so that a crash cuts it nowhere.
                record.operation = Some(start.clone());
            }
        });
        let ended = ended.await?;
        self.ended(&ended, operation.kind);
        Ok(ended)
    }

    /// What follows the written end of an operation after which the sandbox is still there.
    pub(crate) fn ended(&self, record: &Arc<SandboxRecord>, kind: OperationKind) {
        if kind == OperationKind::Create {
            self.count_create();
        }
        self.drive_jobs(&record.id);
        self.check_health(record);
    }

    async fn end_own(
        &self,
        id: &SandboxId,
        operation: &OperationRecord,
        change: impl Fn(&mut SandboxRecord) + Send + Sync,
    ) -> Result<Arc<SandboxRecord>, Cut> {
        let end = |_: &mut OperationRecord, ended: &mut bool| *ended = true;
        let durability = match operation.kind {
            // That it exists is on the disk already; if the loss of power takes its end, it is begun again.
            OperationKind::Create => Durability::Process,
            OperationKind::Start | OperationKind::Stop | OperationKind::Delete => Durability::Power,
        };
        self.change_own(id, operation, durability, end, change).await
    }

    /// Changes the record while this operation is still the one under way.
    async fn change_own(
        &self,
        id: &SandboxId,
        operation: &OperationRecord,
        durability: Durability,
        own: impl Fn(&mut OperationRecord, &mut bool) + Send + Sync,
        change: impl Fn(&mut SandboxRecord) + Send + Sync,
    ) -> Result<Arc<SandboxRecord>, Cut> {
        let changed = self.inner.records.change(id, durability, |record| {
            let mut ended = false;
            match record.operation.as_mut() {
                Some(current) if current.id == operation.id => own(current, &mut ended),
                _ => return Err(()),
            }
            if ended {
                record.operation = None;
            }
            change(record);
            Ok(())
        });
        match changed.await {
            Ok(record) => Ok(record),
            Err(ChangeError::Refused(()) | ChangeError::Absent) => Err(Cut::Overtaken),
            Err(ChangeError::Store(error)) => Err(Cut::Failed(error)),
        }
    }

    /// Begins an operation on a record and runs it. The caller holds the driver.
    pub(crate) async fn operate(
        &self,
        driver: &Driver<'_>,
        id: &SandboxId,
        kind: OperationKind,
        reason: Option<StopReason>,
    ) -> Result<Arc<SandboxRecord>, Cut> {
        let desired = match kind {
            OperationKind::Create | OperationKind::Start => Desired::Running,
            OperationKind::Stop => Desired::Stopped,
            OperationKind::Delete => Desired::Deleted,
        };
        self.operate_towards(driver, id, kind, desired, reason).await
    }

    /// The same, with what is wanted in the end: a stop after which a sandbox is to run is a restart.
    pub(crate) async fn operate_towards(
        &self,
        driver: &Driver<'_>,
        id: &SandboxId,
        kind: OperationKind,
        desired: Desired,
        reason: Option<StopReason>,
    ) -> Result<Arc<SandboxRecord>, Cut> {
        let operation = begin(kind, self);
        let changed = self.inner.records.change(id, Durability::Process, |record| {
            if record.desired == Desired::Deleted && kind != OperationKind::Delete {
                return Err(());
            }
            record.desired = desired;
            record.operation = Some(operation.clone());
            record.failure = None;
            if reason.is_some() {
                record.stop_reason = reason;
            }
            Ok(())
        });
        match changed.await {
            Ok(record) => self.run_operation(driver, record).await,
            Err(ChangeError::Refused(()) | ChangeError::Absent) => Err(Cut::Overtaken),
            Err(ChangeError::Store(error)) => Err(Cut::Failed(error)),
        }
    }
}
