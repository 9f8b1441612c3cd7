//! Bringing records and reality together.
//!
//! A pass takes no input, looks at everything, and is idempotent. It runs at boot, once a minute, and whenever the
//! runtime may have changed unseen. It does not try again inside: the next pass does.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use atoll_lifecycle::{Action, Found, plan};
use atoll_ports::{Durability, FoundSandbox, SandboxRecord};
use atoll_tasks::Kind;
use atoll_types::{Desired, Observed, OperationKind, RuntimeKind, SandboxId, StopReason};
use futures_util::StreamExt;

use crate::drivers::Driver;
use crate::operation::Cut;
use crate::records::{ChangeError, state};
use crate::{Engine, EngineError};

/// Times that an operation that was cut off is taken up before it is given up and undone.
const ATTEMPTS_MAX: u32 = 5;
/// Sandboxes that are settled at once: one that is slow must not keep the others.
const SETTLE_PARALLEL: usize = 16;

/// What the runtime said about a sandbox, and the generation that its record had before it was asked: while the record
/// has it still, nothing was begun or ended since.
#[derive(Debug, Clone, Copy)]
struct Seen {
    found: Found,
    generation: u64,
}

impl Engine {
    /// One full pass. Each part is tried whatever became of the others; answers with the first failure.
    pub(crate) async fn reconcile(&self) -> Result<(), EngineError> {
        let sandboxes = self.reconcile_sandboxes().await;
        let ports = self.reopen_ports().await;
        let logs = self.remove_unowned_logs().await;
        let execs = self.recover_execs().await;
        let jobs = self.reconcile_jobs().await;
        let prepared = self.remove_unowned_prepared().await;
        let images = self.remove_unowned_images().await;
        self.forget_the_gone();
        sandboxes.and(ports).and(logs).and(execs).and(jobs).and(prepared).and(images)
    }

    async fn reconcile_sandboxes(&self) -> Result<(), EngineError> {
        self.adopt_unknown().await?;
        let generations: HashMap<SandboxId, u64> =
            self.inner.records.all().iter().map(|r| (r.id.clone(), r.generation)).collect();
        let ready = self.inner.pools.ready();
        // First what is there, then the records: whatever was made in between has a record by then.
        let held = self.inner.ports.runtimes.holdings().await;
        let found: HashMap<SandboxId, Found> =
            held.found.iter().map(|(_, f)| (f.sandbox.clone(), found_of(f))).collect();
        let records = self.inner.records.all();
        let known: HashSet<&SandboxId> = records.iter().map(|r| &r.id).collect();
        for (kind, one) in &held.found {
            if !known.contains(&one.sandbox) && !self.inner.pools.holds(&one.sandbox) {
                self.remove_unowned(*kind, &one.sandbox).await;
            }
        }
        // Of a runtime that is away nothing is known, and it is not kept which has made one ahead.
        if held.away.is_empty() {
            for id in ready.iter().filter(|id| found.get(id) != Some(&Found::Running)) {
                self.prepared_died(id);
            }
        }
        let settle = async |record: Arc<SandboxRecord>| {
            if held.is_away(record.spec.runtime) {
                return;
            }
            let found = found.get(&record.id).copied().unwrap_or(Found::Nothing);
            let generation = generations.get(&record.id).copied().unwrap_or_default();
            if let Err(error) = self.settle_seen(&record, Seen { found, generation }).await {
                tracing::warn!(sandbox.id = %record.id, "sandbox {} cannot be settled yet: {error}", record.id);
            }
        };
        futures_util::stream::iter(records.iter().cloned())
            .for_each_concurrent(SETTLE_PARALLEL, settle)
            .await;
        held.away.into_iter().next().map_or(Ok(()), |(_, error)| Err(error.into()))
    }

    /// Takes in records whose insert or change was made and not answered.
    async fn adopt_unknown(&self) -> Result<(), EngineError> {
        for stored in self.inner.records.stored(&self.inner.settings.node).await? {
            let known = self.inner.records.get(&stored.id);
            if known.is_some_and(|known| known.generation >= stored.generation) {
                continue;
            }
            // A driver that is held is that of its create, or of what changes it.
            if let Some(_driver) = self.inner.drivers.try_acquire(&stored.id) {
                self.inner.records.adopt(&stored.id).await?;
            }
        }
        Ok(())
    }

    /// Whether the host has booted since the sandbox came up. By the boot's id: clocks jump.
    pub(crate) fn host_restarted(&self, record: &SandboxRecord) -> bool {
        record.boot_id.as_ref().is_some_and(|boot| *boot != self.inner.ports.clock.boot_id())
    }

    /// What memory has of sandboxes and operations that are no more.
    fn forget_the_gone(&self) {
        let records = self.inner.records.all();
        let known: HashSet<&SandboxId> = records.iter().map(|r| &r.id).collect();
        self.inner.activity.retain(|id| known.contains(id));
        self.inner.readings.retain(|id| known.contains(id));
        self.inner.history.retain(|id| known.contains(id));
        self.inner.egress.retain(|id| known.contains(id));
        self.inner.exec_rates.retain(|id| known.contains(id), self.inner.ports.clock.boot_time());
        self.inner.jobs.retain(|id| known.contains(id));
        let under_way: HashSet<_> =
            records.iter().filter_map(|r| r.operation.as_ref().map(|o| &o.id)).collect();
        self.inner.drivers.keep_doomed(|id| under_way.contains(id));
    }

    async fn remove_unowned(&self, kind: RuntimeKind, id: &SandboxId) {
        tracing::info!(sandbox.id = %id, "removing what is left of {id}: no record owns it");
        let removed = async { self.inner.ports.runtimes.of(kind)?.remove(id).await };
        if let Err(error) = removed.await {
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

    async fn settle_seen(&self, record: &Arc<SandboxRecord>, seen: Seen) -> Result<(), EngineError> {
        if plan(state(record), seen.found, self.host_restarted(record)) == Action::Nothing {
            return Ok(());
        }
        // Whoever acts on it now leaves it as it should be, or the next pass does.
        let Some(driver) = self.inner.drivers.try_acquire(&record.id) else { return Ok(()) };
        self.settle_held(&driver, &record.id, Some(seen)).await
    }

    /// Settles one sandbox, whose driver the caller holds.
    async fn settle_held(
        &self,
        driver: &Driver<'_>,
        id: &SandboxId,
        seen: Option<Seen>,
    ) -> Result<(), EngineError> {
        let Some(record) = self.inner.records.get(id) else { return Ok(()) };
        // Looked at again with the driver in hand: what was seen may have been work under way.
        let found = match seen {
            _ if record.operation.is_some() => Found::Nothing,
            Some(seen) if seen.generation == record.generation => seen.found,
            _ => self.look(&record).await?,
        };
        match plan(state(&record), found, self.host_restarted(&record)) {
            Action::Nothing => Ok(()),
            Action::Resume(kind) => self.resume_operation(driver, &record, kind).await,
            Action::Delete => settled(self.operate(driver, id, OperationKind::Delete, None).await),
            Action::Stop => {
                settled(self.operate(driver, id, OperationKind::Stop, Some(StopReason::Requested)).await)
            }
            Action::Crash => self.note_crash(id).await,
            Action::NoteRunning => self.note(id, Observed::Running, None).await,
            Action::NotePaused => self.note(id, Observed::Paused, None).await,
            Action::Pause => self.pause_held(driver, id).await.map(drop),
            Action::Thaw => self.resume_held(driver, id).await.map(drop),
            Action::NoteStopped => {
                let asked_up = matches!(record.desired, Desired::Running | Desired::Paused);
                let reason = asked_up.then_some(StopReason::HostRestarted);
                self.sandbox_is_down(id, "the host was restarted").await?;
                self.note(id, Observed::Stopped, reason).await
            }
        }
    }

    async fn look(&self, record: &SandboxRecord) -> Result<Found, EngineError> {
        let all = self.inner.ports.runtimes.of(record.spec.runtime)?.list().await?;
        let one = all.into_iter().find(|f| f.sandbox == record.id);
        Ok(one.map_or(Found::Nothing, |f| found_of(&f)))
    }

    async fn resume_operation(
        &self,
        driver: &Driver<'_>,
        record: &SandboxRecord,
        kind: OperationKind,
    ) -> Result<(), EngineError> {
        let Some(operation) = record.operation.clone() else { return Ok(()) };
        if operation.attempts >= ATTEMPTS_MAX && matches!(kind, OperationKind::Create | OperationKind::Start)
        {
            self.inner.drivers.doom(&operation.id, "it was cut off again and again");
        }
        if operation.kind != kind {
            return settled(self.operate(driver, &record.id, OperationKind::Delete, None).await);
        }
        let counted = self.inner.records.change(&record.id, Durability::Process, |record| {
            let own = record.operation.as_mut().filter(|o| o.id == operation.id).ok_or(())?;
            own.attempts = own.attempts.saturating_add(1);
            Ok(())
        });
        match counted.await {
            Ok(record) => settled(self.take_up(driver, record).await),
            Err(ChangeError::Refused(()) | ChangeError::Absent) => Ok(()),
            Err(ChangeError::Store(error)) => Err(error),
        }
    }

    /// The agent of a sandbox died: what is left of it is cleared, its files stay, its execs are lost.
    async fn note_crash(&self, id: &SandboxId) -> Result<(), EngineError> {
        self.runtime_of(id)?.stop(id).await?;
        self.note(id, Observed::Crashed, None).await?;
        self.sandbox_is_down(id, "the agent of the sandbox died").await
    }

    async fn note(
        &self,
        id: &SandboxId,
        observed: Observed,
        reason: Option<StopReason>,
    ) -> Result<(), EngineError> {
        let boot_id = self.inner.ports.clock.boot_id();
        let noted = self.inner.records.change(id, Durability::Process, |record| {
            record.observed = observed;
            if matches!(observed, Observed::Running | Observed::Paused) {
                record.boot_id = Some(boot_id.clone());
            }
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
        if self.prepared_died(&id) {
            return;
        }
        let engine = self.clone();
        let spawned = self.inner.operations.spawn("settle crash", Kind::WORK, move |_| async move {
            let driver = engine.inner.drivers.acquire(&id).await;
            engine.settle_held(&driver, &id, None).await
        });
        // A serve that stops leaves it to the next one's boot.
        drop(spawned);
    }
}

pub(crate) const fn found_of(found: &FoundSandbox) -> Found {
    match (found.running, found.paused) {
        (false, _) => Found::Files,
        (true, false) => Found::Running,
        (true, true) => Found::Paused,
    }
}

fn settled<T>(result: Result<T, Cut>) -> Result<(), EngineError> {
    match result {
        Ok(_) | Err(Cut::Overtaken) => Ok(()),
        Err(Cut::Failed(error)) => Err(error),
    }
}
