//! Standard input and signals.

use std::sync::Arc;

use atoll_ports::{AgentError, SandboxRecord, StdinPiece};
use atoll_types::{ErrorCode, ExecId, SandboxId, Signal, Status, TerminalSize};

use crate::records::shown;
use crate::sandbox::paused;
use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Writes to the open standard input of an exec, and closes it after its end. Waits while its pipe is full. A piece with
    /// an offset may be repeated.
    ///
    /// # Errors
    /// `exec_not_found`, `exec_not_running`, `sandbox_paused`, `stdin_closed`, `stdin_offset`.
    pub async fn exec_stdin(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        exec: &ExecId,
        piece: StdinPiece,
    ) -> Result<(), EngineError> {
        let record = self.running(caller, sandbox, exec).await?;
        self.inner.activity.touch(sandbox, self.inner.ports.clock.boot_time());
        let sent = self.inner.ports.agents.stdin(sandbox, exec, piece).await;
        sent.map_err(|error| self.told(caller, &record, error.into()))
    }

    /// Sends a signal to the process group of an exec.
    ///
    /// # Errors
    /// `exec_not_found`, `exec_not_running`, `sandbox_paused`.
    pub async fn exec_signal(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        exec: &ExecId,
        signal: Signal,
    ) -> Result<(), EngineError> {
        let record = self.running(caller, sandbox, exec).await?;
        let sent = self.inner.ports.agents.signal(sandbox, exec, signal).await;
        sent.map_err(|error| self.told(caller, &record, error.into()))
    }

    /// Changes the size of the terminal that an exec runs in, and tells its programs.
    ///
    /// # Errors
    /// `exec_not_found`, `exec_not_running`, `sandbox_paused`, `exec_has_no_tty`.
    pub async fn exec_resize(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        exec: &ExecId,
        size: TerminalSize,
    ) -> Result<(), EngineError> {
        let record = self.running(caller, sandbox, exec).await?;
        match self.inner.ports.agents.exec_resize(sandbox, exec, size).await {
            Err(AgentError::StdinClosed) => {
                let text = "the exec was started without a terminal (`tty`), or ends just now";
                Err(EngineError::new(ErrorCode::ExecHasNoTty, text))
            }
            other => other.map_err(|error| self.told(caller, &record, error.into())),
        }
    }

    async fn running(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        exec: &ExecId,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        let owned = self.owned(caller, sandbox)?;
        if self.inner.execs.get(sandbox, exec).is_some() {
            return if shown(&owned) == Status::Paused { Err(paused()) } else { Ok(owned) };
        }
        let record = self.exec_record(sandbox, exec).await?;
        if record.outcome.is_none() {
            // After a restart its agent could not be asked yet: whoever takes this for its end would drop the rest.
            let text = "the exec is not taken up again yet: try again in a moment";
            return Err(EngineError::new(ErrorCode::Unavailable, text));
        }
        Err(EngineError::new(ErrorCode::ExecNotRunning, "the exec has ended"))
    }
}
