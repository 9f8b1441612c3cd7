//! Execs after something went down: serve, or their sandbox.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{ExecOutcome, ExecRecord, HeldExec};
use atoll_tasks::Kind;
use atoll_types::{ExecId, ExecStatus, SandboxId, Signal, Status};

use super::live::LiveExec;
use crate::records::shown;
use crate::{Engine, EngineError};

/// Time that drains of a sandbox that went down have to write their ends, before the store does it for them.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

impl Engine {
    /// Calls every exec of a sandbox lost that has not ended: its agent is gone.
    pub(crate) async fn lose_execs(&self, sandbox: &SandboxId, why: &str) -> Result<(), EngineError> {
        let live = self.inner.execs.of(sandbox);
        for exec in &live {
            exec.lose(why);
        }
        for exec in &live {
            // The drain writes the end with what it knows: how far the log goes.
            drop(tokio::time::timeout(DRAIN_GRACE, exec.ended()).await);
        }
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

    /// After a restart of serve: takes up the drains of execs that go on, and makes the agents forget what is settled.
    pub(crate) async fn recover_execs(&self) -> Result<(), EngineError> {
        let running = self.inner.ports.store.exec_list_running(&self.inner.settings.node).await?;
        let mut by_sandbox: HashMap<SandboxId, Vec<ExecRecord>> = HashMap::new();
        for record in running {
            by_sandbox.entry(record.sandbox.clone()).or_default().push(record);
        }
        for sandbox in self.inner.records.all() {
            let records = by_sandbox.remove(&sandbox.id).unwrap_or_default();
            if shown(&sandbox) == Status::Running {
                self.recover_sandbox(&sandbox.id, records).await;
            } else if !records.is_empty() {
                self.lose_execs(&sandbox.id, "the sandbox went down").await?;
            }
        }
        Ok(())
    }

    async fn recover_sandbox(&self, sandbox: &SandboxId, records: Vec<ExecRecord>) {
        for record in records {
            self.resume(record);
        }
        match self.inner.ports.agents.list(sandbox).await {
            Ok(held) => self.settle(sandbox, held).await,
            Err(error) => {
                tracing::warn!(sandbox.id = %sandbox, "the agent of {sandbox} does not answer yet: {error}")
            }
        }
    }

    /// Takes up the drain of one exec, unless it is drained.
    fn resume(&self, record: ExecRecord) {
        if self.inner.execs.contains(&record.id) {
            return;
        }
        let clock = &self.inner.ports.clock;
        let ran = clock.now().as_unix_ms().saturating_sub(record.created_at.as_unix_ms()).max(0);
        let since = clock.boot_time().as_ms().saturating_sub(u64::try_from(ran).unwrap_or(0));
        let live = Arc::new(LiveExec::new(record, atoll_types::BootTime::from_ms(since), false));
        self.inner.execs.insert(Arc::clone(&live));
        let (engine, exec) = (self.clone(), Arc::clone(&live));
        let spawned =
            self.inner.drains.spawn("exec", Kind::WORK, move |token| engine.drain_again(exec, token));
        if spawned.is_err() {
            self.inner.execs.remove(live.id());
        }
    }

    /// What an agent holds and no drain follows: ended and written down, or never acknowledged to anybody.
    async fn settle(&self, sandbox: &SandboxId, held: Vec<HeldExec>) {
        let mut settled: Vec<(ExecId, u64)> = Vec::new();
        for exec in held.into_iter().filter(|h| !self.inner.execs.contains(&h.exec)) {
            if exec.running {
                tracing::info!(sandbox.id = %sandbox, exec.id = %exec.exec, "ending a command that was never acknowledged");
                drop(self.inner.ports.agents.signal(sandbox, &exec.exec, Signal::Kill).await);
            }
            settled.push((exec.exec, u64::MAX));
        }
        if !settled.is_empty()
            && let Err(error) = self.inner.ports.agents.ack(sandbox, &settled).await
        {
            tracing::debug!(sandbox.id = %sandbox, "settled execs are not acknowledged yet: {error}");
        }
    }
}
