//! Looking at a terminal, which is made where there is none.

use std::sync::Arc;
use std::time::Duration;

use atoll_lifecycle::{Decision, Request, decide};
use atoll_ports::{AuditScope, OpenTerminal, SandboxRecord, TerminalAttached, TerminalKey, TerminalStream};
use atoll_types::{EnvVars, GuestPath, GuestUser, SandboxId, TerminalKind, TerminalName, TerminalSize};

use super::failed;
use crate::exec::environment;
use crate::records::state;
use crate::sandbox::denied;
use crate::{Caller, Engine, EngineError};

/// What somebody wants to look at.
#[derive(Debug, Clone)]
pub struct NewTerminal {
    /// Its name.
    pub name: TerminalName,
    /// Its size; that of one that is there changes. Without it, one that is made has the usual size.
    pub size: Option<TerminalSize>,
    /// Where an earlier look ended. Then none is made.
    pub resume: Option<Resume>,
    /// As whom its shell runs, where one is made; the sandbox's user when absent.
    pub user: Option<GuestUser>,
    /// Where it starts; the user's home when absent.
    pub cwd: Option<GuestPath>,
    /// Kind that its programs are told.
    pub kind: TerminalKind,
    /// How long it outlives its last viewer; for ever when absent.
    pub linger: Option<Duration>,
}

/// Where an earlier look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Which terminal of the name it was.
    pub generation: u64,
    /// Number of the first byte that was not seen.
    pub offset: u64,
}

/// A terminal that is looked at.
pub struct TerminalView {
    /// Which it is.
    pub key: TerminalKey,
    /// How it stands.
    pub attached: TerminalAttached,
    /// Whether it was made just now.
    pub made: bool,
    /// What it shows.
    pub events: TerminalStream,
}

impl std::fmt::Debug for TerminalView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerminalView").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Engine {
    /// Looks at a terminal.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_not_running`, `terminal_not_found`, `too_many_terminals`, `agent_unreachable`.
    pub async fn terminal_view(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        new: NewTerminal,
    ) -> Result<TerminalView, EngineError> {
        let record = self.running_sandbox(caller, sandbox)?;
        self.touch(sandbox);
        self.show(&record, new).await.map_err(|error| self.told(caller, &record, error))
    }

    async fn show(&self, record: &SandboxRecord, new: NewTerminal) -> Result<TerminalView, EngineError> {
        let sandbox = &record.id;
        let (name, size, resume) = (new.name.clone(), new.size, new.resume);
        let (key, made) = match resume {
            Some(resume) => (TerminalKey { name, generation: resume.generation }, false),
            None => {
                let opened = self.open(record, new).await?;
                self.audit_terminal(&opened.0.name).await?;
                opened
            }
        };
        let terminals = &self.inner.ports.terminals;
        if let Some(size) = size.filter(|_| !made) {
            terminals.resize(sandbox, &key, size).await.map_err(failed)?;
        }
        let offset = resume.map(|resume| resume.offset);
        let (attached, events) = terminals.attach(sandbox, &key, offset).await.map_err(failed)?;
        Ok(TerminalView { key, attached, made, events })
    }

    /// The caller's sandbox, when a program may be started in it now.
    pub(crate) fn running_sandbox(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
    ) -> Result<Arc<SandboxRecord>, EngineError> {
        let record = self.owned(caller, sandbox)?;
        match decide(Request::Exec, state(&record)) {
            Decision::Denied(denial) => Err(denied(denial)),
            Decision::Accept(_) | Decision::AlreadyDone => Ok(record),
        }
    }

    async fn open(
        &self,
        record: &SandboxRecord,
        new: NewTerminal,
    ) -> Result<(TerminalKey, bool), EngineError> {
        let mut env = environment(record, std::iter::once(("TERM", new.kind.as_str())));
        let secrets = self.add_secrets(record, &EnvVars::default(), &mut env).await?;
        let open = OpenTerminal {
            name: new.name,
            argv: Vec::new(),
            env,
            cwd: new.cwd.or_else(|| record.spec.cwd.clone()),
            user: new.user.unwrap_or_else(|| record.spec.user.clone()),
            size: new.size.unwrap_or_default(),
            linger: new.linger,
        };
        let (key, made) = self.inner.ports.terminals.open(&record.id, open).await.map_err(failed)?;
        if made {
            if let Some(used) = secrets {
                let scope = AuditScope::current();
                let process = ("terminal", key.name.as_str());
                self.audit_secrets(scope.as_ref(), record, &used, process).await?;
            }
            tracing::info!(sandbox.id = %record.id, terminal = %key.name, "a terminal was made");
        }
        Ok((key, made))
    }
}
