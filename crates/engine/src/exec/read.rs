//! Looking at execs, and removing old ones.

use atoll_ports::{ExecFilter, ExecRecord, Page};
use atoll_types::{ErrorCode, ExecId, ExecKind, SandboxId, Timestamp};

use crate::{Caller, Engine, EngineError, ExecView};

/// Execs that are removed at once, so that the store is never held for long.
const SWEEP_MAX: u32 = 1_000;

impl Engine {
    /// One exec with the end of its output.
    ///
    /// # Errors
    /// `sandbox_not_found`, `exec_not_found`.
    pub async fn exec_get(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        exec: &ExecId,
    ) -> Result<ExecView, EngineError> {
        self.owned(caller, sandbox)?;
        let record = self.exec_record(sandbox, exec).await?;
        let output = self.logged_output(sandbox, exec).await?;
        let truncated = output.cut || record.outcome.as_ref().is_some_and(|o| o.truncated);
        Ok(ExecView { record, stdout: output.stdout, stderr: output.stderr, truncated })
    }

    /// The execs of a sandbox, newest first, without their output and without main processes.
    ///
    /// # Errors
    /// `sandbox_not_found`, a malformed cursor.
    pub async fn exec_list(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ExecRecord>, EngineError> {
        self.owned(caller, sandbox)?;
        let filter = ExecFilter { kind: Some(ExecKind::Exec), ..ExecFilter::default() };
        Ok(self.inner.ports.store.exec_list(sandbox, &filter, cursor, limit).await?)
    }

    /// The record of an exec, live or ended.
    pub(crate) async fn exec_record(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
    ) -> Result<ExecRecord, EngineError> {
        if let Some(live) = self.inner.execs.get(sandbox, exec) {
            return Ok(live.end().map_or_else(|| live.record.clone(), |end| end.record.clone()));
        }
        let found = self.inner.ports.store.exec_get(sandbox, exec).await?;
        found.ok_or_else(|| EngineError::new(ErrorCode::ExecNotFound, "this sandbox has no such exec"))
    }

    /// Removes execs that ended long ago, with their logs.
    pub(crate) async fn sweep_execs(&self) -> Result<(), EngineError> {
        let ports = &self.inner.ports;
        let keep = i64::try_from(self.inner.settings.exec_retention.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_unix_ms(ports.clock.now().as_unix_ms().saturating_sub(keep));
        loop {
            let swept = ports.store.exec_sweep(before, SWEEP_MAX).await?;
            let last = swept.len() < usize::try_from(SWEEP_MAX).unwrap_or(usize::MAX);
            for (sandbox, exec) in swept {
                if let Err(error) = ports.exec_logs.remove(&sandbox, &exec).await {
                    // It goes with its sandbox at the latest.
                    tracing::warn!(exec.id = %exec, "the log of a swept exec cannot be removed: {error}");
                }
            }
            if last {
                return Ok(());
            }
        }
    }
}
