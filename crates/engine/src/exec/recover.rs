//! Execs after something went down: serve, or their sandbox.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{ExecOutcome, ExecRecord, HeldExec};
use atoll_tasks::Kind;
use atoll_types::{ExecId, ExecStatus, SandboxId, Signal, Status};
use futures_util::StreamExt;

use super::live::LiveExec;
use crate::records::shown;
use crate::{Engine, EngineError};

/// Time that the drains of a sandbox that went down have together to write their ends, before the store does it for
/// them: a delete must not wait for a disk that hangs.
const DRAIN_GRACE: Duration = Duration::from_millis(500);
/// Agents that are settled at once.
const SETTLE_PARALLEL: usize = 16;
/// Time that one agent may take to be settled; it is tried again at the next pass.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

impl Engine {
    /// Calls every exec of a sandbox lost that has not ended: its agent is gone.
    pub(crate) async fn lose_execs(&self, sandbox: &SandboxId, why: &str) -> Result<(), EngineError> {
        let live = self.inner.execs.of(sandbox);
        for exec in &live {
            exec.lose(why);
        }
        // The drains write the ends with what they know: how far the log goes.
        let ends = futures_util::future::join_all(live.iter().map(|exec| exec.ended()));
        drop(tokio::time::timeout(DRAIN_GRACE, ends).await);
        let outcome = ExecOutcome {
            status: ExecStatus::Lost,
            exit: None,
            last_seq: 0,
            finished_at: self.inner.ports.clock.now(),
            duration_ms: 0,
            truncated: false,
            failure: Some(why.to_owned()),
        };
        self.inner.ports.store.exec_finish_all(sandbox, &outcome).await?;
        Ok(())
    }

    /// Takes up the drains of execs that go on and that nobody follows, as after a restart of serve, and makes the agents
    /// forget what is settled.
    pub(crate) async fn recover_execs(&self) -> Result<(), EngineError> {
        let running = self.inner.ports.store.exec_list_running(&self.inner.settings.node).await?;
        let mut by_sandbox: HashMap<SandboxId, Vec<ExecRecord>> = HashMap::new();
        for record in running.into_iter().filter(|r| !self.inner.execs.contains(&r.id)) {
            by_sandbox.entry(record.sandbox.clone()).or_default().push(record);
        }
        for (sandbox, execs) in by_sandbox {
            match self.inner.records.get(&sandbox).map(|r| shown(&r)) {
                Some(Status::Running | Status::Paused) => self.resume_all(execs).await?,
                Some(Status::Stopped | Status::Crashed | Status::Failed) => self.lose_left(&sandbox).await?,
                // An operation is under way, or takes it up: it decides about its execs.
                _ => {}
            }
        }
        self.settle_agents();
        Ok(())
    }

    async fn resume_all(&self, execs: Vec<ExecRecord>) -> Result<(), EngineError> {
        for seen in execs {
            // Read again: one that ended since the list was read has an end by now, written before it stopped being live.
            if let Some(record) = self.inner.ports.store.exec_get(&seen.sandbox, &seen.id).await?
                && record.outcome.is_none()
            {
                self.resume(record);
            }
        }
        Ok(())
    }

    /// Execs of a sandbox that is down, whose end was not written when it went down.
    async fn lose_left(&self, sandbox: &SandboxId) -> Result<(), EngineError> {
        let Some(_driver) = self.inner.drivers.try_acquire(sandbox) else { return Ok(()) };
        let status = self.inner.records.get(sandbox).map(|r| shown(&r));
        if matches!(status, Some(Status::Stopped | Status::Crashed | Status::Failed)) {
            self.lose_execs(sandbox, "the sandbox went down").await?;
        }
        Ok(())
    }

    /// Takes up the drain of one exec, unless it is drained.
    pub(crate) fn resume(&self, record: ExecRecord) {
        let clock = &self.inner.ports.clock;
        let ran = clock.now().as_unix_ms().saturating_sub(record.created_at.as_unix_ms()).max(0);
        let since = clock.boot_time().as_ms().saturating_sub(u64::try_from(ran).unwrap_or(0));
        let live = Arc::new(LiveExec::new(record, atoll_types::BootTime::from_ms(since), false));
        if !self.inner.execs.insert(&live) {
            return;
        }
        let (engine, exec) = (self.clone(), Arc::clone(&live));
        let spawned =
            self.inner.drains.spawn("exec", Kind::WORK, move |token| engine.drain_again(exec, token));
        if spawned.is_err() {
            self.inner.execs.remove(live.id());
        }
    }

    /// Settles the agents that may hold what is settled here, beside everything else: an agent that hangs delays nobody.
    fn settle_agents(&self) {
        let unsettled = self.inner.acks.take_unsettled();
        if unsettled.is_empty() {
            return;
        }
        let engine = self.clone();
        let spawned = self.inner.drains.spawn("settle agents", Kind::WORK, move |token| async move {
            let settle = futures_util::stream::iter(unsettled)
                .for_each_concurrent(SETTLE_PARALLEL, |id| engine.settle_agent(id));
            tokio::select! {
                // All of it may be dropped and repeated, and is, at the next boot.
                () = token.cancelled() => {}
                () = settle => {}
            }
        });
        // A serve that stops leaves it to the next one.
        drop(spawned);
    }

    async fn settle_agent(&self, sandbox: SandboxId) {
        let status = self.inner.records.get(&sandbox).map(|r| shown(&r));
        let settled = match status {
            Some(Status::Running | Status::Paused) => {
                tokio::time::timeout(SETTLE_LIMIT, self.settle(&sandbox)).await.is_ok_and(|settled| settled)
            }
            // Without an agent nothing is held.
            None | Some(Status::Stopped | Status::Crashed | Status::Failed | Status::Deleting) => true,
            Some(Status::Creating | Status::Starting | Status::Stopping | Status::Unknown) => false,
        };
        if !settled {
            self.inner.acks.unsettle(&sandbox);
        }
    }

    /// Ends and forgets what an agent holds and no drain follows: what was ended and written down, or never
    /// acknowledged to anybody. False when it must be looked at again.
    async fn settle(&self, sandbox: &SandboxId) -> bool {
        let held = match self.inner.ports.agents.list(sandbox).await {
            Ok(held) => held,
            Err(error) => {
                tracing::debug!(sandbox.id = %sandbox, "the agent of {sandbox} does not answer yet: {error}");
                return false;
            }
        };
        let mut settled: Vec<(ExecId, u64)> = Vec::new();
        let mut all = true;
        for exec in held {
            if self.inner.execs.contains(&exec.exec) {
                continue;
            }
            match self.inner.ports.store.exec_get(sandbox, &exec.exec).await {
                // Somebody was told that it runs: it is taken up at the next pass.
                Ok(Some(record)) if record.outcome.is_none() => all = false,
                // The run of a job that an earlier serve began: its driver takes it up under this id.
                Ok(None) if self.inner.jobs.is_begun(&exec.exec) => all = false,
                Ok(_) => {
                    all &= !exec.running;
                    self.end_unfollowed(sandbox, &exec).await;
                    settled.push((exec.exec, u64::MAX));
                }
                Err(_) => all = false,
            }
        }
        all &= settled.is_empty() || self.inner.ports.agents.ack(sandbox, &settled).await.is_ok();
        all
    }

    async fn end_unfollowed(&self, sandbox: &SandboxId, exec: &HeldExec) {
        if exec.running {
            tracing::info!(sandbox.id = %sandbox, exec.id = %exec.exec, "ending a command that nobody follows");
            drop(self.inner.ports.agents.signal(sandbox, &exec.exec, Signal::Kill).await);
        }
    }
}
