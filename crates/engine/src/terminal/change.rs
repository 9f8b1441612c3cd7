//! What is done to a terminal that is there.

use atoll_ports::{HeldTerminal, TerminalKey};
use atoll_types::{SandboxId, TerminalName, TerminalSize};
use bytes::Bytes;

use super::failed;
use crate::{Caller, Engine, EngineError};

impl Engine {
    /// Types into a terminal. Waits while its program does not read.
    ///
    /// # Errors
    /// `sandbox_not_found`, `terminal_not_found`, `terminal_ended`, `agent_unreachable`.
    pub async fn terminal_input(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        data: Bytes,
    ) -> Result<(), EngineError> {
        let record = self.running_sandbox(caller, sandbox)?;
        self.touch(sandbox);
        let asked = self.inner.ports.terminals.input(sandbox, terminal, data).await;
        asked.map_err(|error| self.told(caller, &record, failed(error)))
    }

    /// Changes the size of a terminal.
    ///
    /// # Errors
    /// `sandbox_not_found`, `terminal_not_found`, `agent_unreachable`.
    pub async fn terminal_resize(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        terminal: &TerminalKey,
        size: TerminalSize,
    ) -> Result<(), EngineError> {
        let record = self.running_sandbox(caller, sandbox)?;
        let asked = self.inner.ports.terminals.resize(sandbox, terminal, size).await;
        asked.map_err(|error| self.told(caller, &record, failed(error)))
    }

    /// The terminals of a sandbox, by name.
    ///
    /// # Errors
    /// `sandbox_not_found`, `agent_unreachable`.
    pub async fn terminal_list(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
    ) -> Result<Vec<HeldTerminal>, EngineError> {
        let record = self.running_sandbox(caller, sandbox)?;
        let asked = self.inner.ports.terminals.list(sandbox).await;
        asked.map_err(|error| self.told(caller, &record, failed(error)))
    }

    /// Hangs the terminal of this name up.
    ///
    /// # Errors
    /// `sandbox_not_found`, `terminal_not_found`, `agent_unreachable`.
    pub async fn terminal_close(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        terminal: &TerminalName,
    ) -> Result<(), EngineError> {
        let record = self.running_sandbox(caller, sandbox)?;
        let asked = self.inner.ports.terminals.close(sandbox, &TerminalKey::any(terminal.clone())).await;
        asked.map_err(|error| self.told(caller, &record, failed(error)))
    }

    pub(crate) fn touch(&self, sandbox: &SandboxId) {
        self.inner.activity.touch(sandbox, self.inner.ports.clock.boot_time());
    }
}
