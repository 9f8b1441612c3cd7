//! Starting execs.

use std::sync::Arc;
use std::time::Duration;

use atoll_lifecycle::{Decision, Request, decide};
use atoll_ports::{ExecRecord, SandboxRecord, StartExec};
use atoll_tasks::Kind;
use atoll_types::{ExecId, ExecKind, ExecSpec, ExecStatus, SandboxId};
use bytes::Bytes;

use super::live::{End, LiveExec};
use crate::records::state;
use crate::sandbox::denied;
use crate::{Caller, Engine, EngineError, ExecView, NewExec};

/// Environment of every process, below that of the sandbox and of the exec. No home of the host is in PATH.
const BASE_ENV: [(&str, &str); 3] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LANG", "C.UTF-8"),
    ("TZ", "UTC"),
];

impl Engine {
    /// Runs a command and waits for its end.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_not_running`, `sandbox_paused`, `too_many_execs`, `agent_unreachable`.
    pub async fn exec_run(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        new: NewExec,
    ) -> Result<ExecView, EngineError> {
        let live = self.begin(caller, sandbox, new, true).await?;
        let end = live.ended().await.ok_or(atoll_tasks::ShuttingDown)?;
        let record = started(&end)?.clone();
        let captured = live.take_captured();
        let truncated = captured.cut || record.outcome.as_ref().is_some_and(|o| o.truncated);
        Ok(ExecView { record, stdout: captured.stdout, stderr: captured.stderr, truncated })
    }

    /// Starts a command; answers once it is written down and its agent has it.
    ///
    /// # Errors
    /// As [`Engine::exec_run`].
    pub async fn exec_start(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        new: NewExec,
    ) -> Result<ExecView, EngineError> {
        let live = self.begin(caller, sandbox, new, false).await?;
        if !live.kept().await {
            return Err(atoll_tasks::ShuttingDown.into());
        }
        let record = match live.end() {
            Some(end) => started(&end)?.clone(),
            None => live.record.clone(),
        };
        Ok(ExecView { record, stdout: Vec::new(), stderr: Vec::new(), truncated: false })
    }

    async fn begin(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        new: NewExec,
        capture: bool,
    ) -> Result<Arc<LiveExec>, EngineError> {
        let record = self.owned(caller, sandbox)?;
        if let Decision::Denied(denial) = decide(Request::Exec, state(&record)) {
            return Err(denied(denial));
        }
        self.take_exec(&caller.user, sandbox)?;
        let id = ExecId::random();
        self.audit_exec(&id, &new.spec.command).await?;
        self.launch(&record, id, ExecKind::Exec, new, capture)
    }

    /// Starts the main process of a sandbox, if it has one; returns once it is written down and runs.
    pub(crate) async fn start_main(&self, sandbox: &SandboxRecord, id: ExecId) -> Result<(), EngineError> {
        let Some(command) = sandbox.spec.main_command() else { return Ok(()) };
        if self.inner.execs.contains(&id) {
            return Ok(());
        }
        let spec = ExecSpec {
            command,
            env: atoll_types::EnvVars::default(),
            cwd: None,
            user: None,
            timeout_seconds: None,
            stdin_open: false,
            tty: None,
        };
        let live = self.launch(sandbox, id, ExecKind::Main, NewExec { spec, stdin: Bytes::new() }, false)?;
        if !live.kept().await {
            return Err(atoll_tasks::ShuttingDown.into());
        }
        live.end().map_or(Ok(()), |end| started(&end).map(|_| ()))
    }

    fn launch(
        &self,
        sandbox: &SandboxRecord,
        id: ExecId,
        kind: ExecKind,
        new: NewExec,
        capture: bool,
    ) -> Result<Arc<LiveExec>, EngineError> {
        let start = start_request(sandbox, &id, kind, &new);
        let record = self.new_exec(sandbox, id, kind, new.spec);
        self.launch_live(start, LiveExec::new(record, self.inner.ports.clock.boot_time(), capture))
    }

    /// Starts a command under an id that a serve which died may have started it under.
    pub(crate) fn launch_again(
        &self,
        sandbox: &SandboxRecord,
        id: ExecId,
        spec: ExecSpec,
    ) -> Result<(), EngineError> {
        let new = NewExec { spec, stdin: Bytes::new() };
        let start = start_request(sandbox, &id, ExecKind::Exec, &new);
        let record = self.new_exec(sandbox, id, ExecKind::Exec, new.spec);
        let live = LiveExec::new(record, self.inner.ports.clock.boot_time(), false).perhaps_begun();
        self.launch_live(start, live).map(drop)
    }

    fn new_exec(&self, sandbox: &SandboxRecord, id: ExecId, kind: ExecKind, spec: ExecSpec) -> ExecRecord {
        ExecRecord {
            id,
            sandbox: sandbox.id.clone(),
            kind,
            spec,
            status: ExecStatus::Running,
            created_at: self.inner.ports.clock.now(),
            outcome: None,
        }
    }

    fn launch_live(&self, start: StartExec, live: LiveExec) -> Result<Arc<LiveExec>, EngineError> {
        let live = Arc::new(live);
        self.inner.activity.touch(live.sandbox(), live.since);
        self.inner.execs.insert(&live);
        self.count_exec(&live.record);
        self.exec_started(&live.record);
        let (engine, exec) = (self.clone(), Arc::clone(&live));
        let spawned =
            self.inner.drains.spawn("exec", Kind::WORK, move |token| engine.drain_new(exec, start, token));
        if let Err(error) = spawned {
            self.inner.execs.remove(live.id());
            return Err(error.into());
        }
        Ok(live)
    }
}

fn start_request(sandbox: &SandboxRecord, id: &ExecId, kind: ExecKind, new: &NewExec) -> StartExec {
    StartExec {
        exec: id.clone(),
        kind,
        argv: new.spec.command.to_argv(),
        env: environment(sandbox, kind_of_terminal(&new.spec).into_iter().chain(new.spec.env.iter())),
        cwd: new.spec.cwd.clone().or_else(|| sandbox.spec.cwd.clone()),
        user: new.spec.user.clone().unwrap_or_else(|| sandbox.spec.user.clone()),
        timeout: new.spec.timeout_seconds.map(|s| Duration::from_secs(s.into())),
        stdin: new.stdin.clone(),
        stdin_open: new.spec.stdin_open,
        tty: new.spec.tty,
    }
}

/// What a program in a terminal is told of it, below what the request says itself.
fn kind_of_terminal(spec: &ExecSpec) -> Option<(&'static str, &'static str)> {
    spec.tty.map(|_| ("TERM", "xterm-256color"))
}

/// The base, over it the sandbox's, over it the program's own.
pub(crate) fn environment<'a>(
    sandbox: &'a SandboxRecord,
    own: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let base = BASE_ENV.into_iter();
    let layers = base.chain(sandbox.spec.env.iter()).chain(own);
    let merged: std::collections::BTreeMap<&str, &str> = layers.collect();
    merged.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// The record of an exec that was started, or why it was not.
fn started(end: &End) -> Result<&ExecRecord, EngineError> {
    match &end.refused {
        Some((code, message)) => Err(EngineError::new(*code, message.clone())),
        None => Ok(&end.record),
    }
}
