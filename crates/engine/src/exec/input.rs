//! Standard input and signals.

use atoll_types::{ErrorCode, ExecId, SandboxId, Signal};
use bytes::Bytes;

use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Writes to the open standard input of an exec, and closes it with `eof`. Waits while its pipe is full.
    ///
    /// # Errors
    /// `exec_not_found`, `exec_not_running`, `stdin_closed`.
    pub async fn exec_stdin(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        exec: &ExecId,
        data: Bytes,
        eof: bool,
    ) -> Result<(), EngineError> {
        self.running(caller, sandbox, exec).await?;
        self.inner.activity.touch(sandbox, self.inner.ports.clock.boot_time());
        Ok(self.inner.ports.agents.stdin(sandbox, exec, data, eof).await?)
    }

    /// Sends a signal to the process group of an exec.
    ///
    /// # Errors
    /// `exec_not_found`, `exec_not_running`.
    pub async fn exec_signal(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        exec: &ExecId,
        signal: Signal,
    ) -> Result<(), EngineError> {
        self.running(caller, sandbox, exec).await?;
        Ok(self.inner.ports.agents.signal(sandbox, exec, signal).await?)
    }

    async fn running(&self, caller: &Caller, sandbox: &SandboxId, exec: &ExecId) -> Result<(), EngineError> {
        self.owned(caller, sandbox)?;
        if self.inner.execs.get(sandbox, exec).is_some() {
            return Ok(());
        }
        self.exec_record(sandbox, exec).await?;
        Err(EngineError::new(ErrorCode::ExecNotRunning, "the exec has ended"))
    }
}
