//! The port, over the protocol.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atoll_agent_protocol::v1::{
    self, AckRequest, Acked, ActivityRequest, AttachRequest, ExecRequest, ExecResizeRequest, Held,
    ListRequest, ProbeReply, ProbeRequest, SignalRequest, StdinRequest, TtySize,
};
use atoll_agent_protocol::{ACKS_MAX, EXECS_MAX, STDIN_BYTES_MAX};
use atoll_ports::{Activity, AgentError, AgentLink, EventStream, HeldExec, ProbeEnd, StartExec, StdinPiece};
use atoll_types::{ExecExit, ExecId, ExecKind, SandboxId, Signal, TerminalSize};
use tokio::time::timeout;
use tonic::{Code, Response, Status};

use crate::answer::error_of;
use crate::connection::{IDLE_CLOSE_AFTER, Windows};
use crate::events::Checked;
use crate::pool::Pool;
use crate::way::Way;

/// Longest time until an agent answers a call that has nothing to wait for. A stream, once it has begun, has no limit.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The way to the agents whose sockets lie in a directory, or several, as `<sandbox id>.sock`.
#[derive(Debug)]
pub struct AgentClient {
    pool: Pool,
    /// Terminals have a connection of their own: what one viewer does not take must not fill the window of execs.
    pub(crate) terminals: Pool,
    /// Files too, for the same reason.
    pub(crate) files: Pool,
    /// And what goes through ports.
    pub(crate) ports: Pool,
}

impl AgentClient {
    async fn send_signal(&self, sandbox: &SandboxId, request: SignalRequest) -> Result<(), AgentError> {
        let (mut calls, _lease) = self.pool.calls(sandbox).await?;
        answered(calls.signal(request)).await.map(drop).map_err(|status| match status.code() {
            // It has ended: there is nothing to signal any more.
            Code::FailedPrecondition => AgentError::NotFound,
            _ => error_of(&status),
        })
    }

    /// Over the sockets of a directory, which is held open: it need not be reachable by its path. Nothing is connected
    /// before it is needed.
    #[must_use]
    pub fn new(agents_directory: OwnedFd) -> Self {
        Self::closing_after(agents_directory, IDLE_CLOSE_AFTER)
    }

    /// The same, over several ways: the first that leads to a sandbox is taken.
    #[must_use]
    pub fn by(ways: Vec<Way>) -> Self {
        Self::of(ways.into(), IDLE_CLOSE_AFTER)
    }

    /// The same, which closes a connection when nobody has used it for that long, instead of 30 seconds.
    #[must_use]
    pub fn closing_after(agents_directory: OwnedFd, unused: Duration) -> Self {
        Self::of([Way::over(agents_directory)].into(), unused)
    }

    fn of(ways: Arc<[Way]>, unused: Duration) -> Self {
        let pool = Pool::new(Arc::clone(&ways), unused, Windows::EXECS);
        let terminals = Pool::new(Arc::clone(&ways), unused, Windows::TERMINALS);
        let files = Pool::new(Arc::clone(&ways), unused, Windows::FILES);
        Self { pool, terminals, files, ports: Pool::new(ways, unused, Windows::PORTS) }
    }
}

/// The answer, when it comes in time.
pub(crate) async fn answered<T>(
    call: impl Future<Output = Result<Response<T>, Status>> + Send,
) -> Result<T, Status> {
    match timeout(ANSWER_LIMIT, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("no answer within 10 s")),
    }
}

#[async_trait]
impl AgentLink for AgentClient {
    async fn exec(&self, sandbox: &SandboxId, start: StartExec) -> Result<EventStream, AgentError> {
        let (mut calls, lease) = self.pool.calls(sandbox).await?;
        if start.tty.is_some() && !lease.can.exec_tty {
            return Err(older("runs commands in no terminal"));
        }
        let events = answered(calls.exec(request_of(start))).await.map_err(|status| error_of(&status))?;
        Ok(Box::pin(Checked::new(events, 0, lease)))
    }

    async fn attach(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        after_seq: u64,
    ) -> Result<EventStream, AgentError> {
        let (mut calls, lease) = self.pool.calls(sandbox).await?;
        let request = AttachRequest { exec_id: exec.to_string(), after_seq };
        let events = answered(calls.attach(request)).await.map_err(|status| error_of(&status))?;
        Ok(Box::pin(Checked::new(events, after_seq, lease)))
    }

    async fn ack(&self, sandbox: &SandboxId, acked: &[(ExecId, u64)]) -> Result<(), AgentError> {
        let (mut calls, _lease) = self.pool.calls(sandbox).await?;
        for acked in acked.chunks(ACKS_MAX) {
            let acked =
                acked.iter().map(|(exec, seq)| Acked { exec_id: exec.to_string(), seq: *seq }).collect();
            answered(calls.ack(AckRequest { acked })).await.map_err(|status| error_of(&status))?;
        }
        Ok(())
    }

    async fn stdin(&self, sandbox: &SandboxId, exec: &ExecId, piece: StdinPiece) -> Result<(), AgentError> {
        let (mut calls, _lease) = self.pool.calls(sandbox).await?;
        let StdinPiece { mut offset, data: mut rest, eof } = piece;
        loop {
            let data = rest.split_to(rest.len().min(STDIN_BYTES_MAX));
            let (last, length) = (rest.is_empty(), u64::try_from(data.len()).unwrap_or(u64::MAX));
            let request = StdinRequest { exec_id: exec.to_string(), data, eof: eof && last, offset };
            // No limit: it waits for as long as the command does not read.
            calls.stdin(request).await.map_err(|status| match status.code() {
                Code::FailedPrecondition => AgentError::StdinClosed,
                _ => error_of(&status),
            })?;
            if last {
                return Ok(());
            }
            offset = offset.map(|offset| offset.saturating_add(length));
        }
    }

    async fn signal(&self, sandbox: &SandboxId, exec: &ExecId, signal: Signal) -> Result<(), AgentError> {
        let (exec_id, signal) = (exec.to_string(), signal.number());
        self.send_signal(sandbox, SignalRequest { exec_id, signal, end_group: false }).await
    }

    async fn exec_resize(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        size: TerminalSize,
    ) -> Result<(), AgentError> {
        let (mut calls, _lease) = self.pool.calls(sandbox).await?;
        let request = ExecResizeRequest { exec_id: exec.to_string(), size: Some(size_of(size)) };
        answered(calls.exec_resize(request)).await.map(drop).map_err(|status| match status.code() {
            Code::FailedPrecondition | Code::Unimplemented => AgentError::StdinClosed,
            _ => error_of(&status),
        })
    }

    async fn terminate(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<(), AgentError> {
        let (exec_id, signal) = (exec.to_string(), Signal::Term.number());
        self.send_signal(sandbox, SignalRequest { exec_id, signal, end_group: true }).await
    }

    async fn list(&self, sandbox: &SandboxId) -> Result<Vec<HeldExec>, AgentError> {
        let (mut calls, _lease) = self.pool.calls(sandbox).await?;
        let reply = answered(calls.list(ListRequest {})).await.map_err(|status| error_of(&status))?;
        if reply.execs.len() > EXECS_MAX {
            return Err(AgentError::Protocol("it holds more execs than it may".to_owned()));
        }
        reply.execs.into_iter().map(held_of).collect()
    }

    async fn activity(&self, sandbox: &SandboxId) -> Result<Activity, AgentError> {
        let (mut calls, _lease) = self.pool.calls(sandbox).await?;
        let reply = answered(calls.activity(ActivityRequest {})).await.map_err(|status| error_of(&status))?;
        let ports: BTreeSet<u16> =
            reply.ports.into_iter().filter_map(|port| u16::try_from(port).ok()).collect();
        Ok(Activity {
            idle: Duration::from_millis(reply.idle_ms),
            execs_running: reply.execs_running,
            ports: ports.into_iter().filter(|port| *port > 0).collect(),
        })
    }

    async fn probe(&self, sandbox: &SandboxId, start: StartExec) -> Result<ProbeEnd, AgentError> {
        let (mut calls, lease) = self.pool.calls(sandbox).await?;
        if !lease.can.probe {
            return Err(older("runs no health checks"));
        }
        // No limit: it ends with the command, whose limit is in the request.
        let request = ProbeRequest { command: Some(request_of(start)) };
        let ended = calls.probe(request).await.map_err(|status| error_of(&status))?;
        probed(ended.into_inner())
    }

    async fn greet(&self, sandbox: &SandboxId) -> Result<(), AgentError> {
        self.pool.calls(sandbox).await.map(drop)
    }

    fn forget(&self, sandbox: &SandboxId) {
        self.pool.forget(sandbox);
        self.terminals.forget(sandbox);
        self.files.forget(sandbox);
        self.ports.forget(sandbox);
    }
}

pub(crate) fn older(what: &str) -> AgentError {
    let text = format!("the sandbox was started by an older release, whose agent {what}: restart it");
    AgentError::Refused(text)
}

fn size_of(size: TerminalSize) -> TtySize {
    TtySize { cols: size.cols().into(), rows: size.rows().into() }
}

fn request_of(start: StartExec) -> ExecRequest {
    let kind = match start.kind {
        ExecKind::Exec => v1::ExecKind::Exec,
        ExecKind::Main => v1::ExecKind::Main,
    };
    // A limit below a millisecond is still a limit.
    let timeout_ms =
        start.timeout.map_or(0, |limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1));
    ExecRequest {
        exec_id: start.exec.to_string(),
        kind: kind.into(),
        argv: start.argv,
        env: start.env.into_iter().map(|(name, value)| format!("{name}={value}")).collect(),
        cwd: start.cwd.map(|cwd| cwd.to_string()).unwrap_or_default(),
        user: start.user.to_string(),
        timeout_ms,
        stdin: start.stdin,
        stdin_open: start.stdin_open,
        tty: start.tty.map(size_of),
    }
}

/// What is too long of a hostile agent's answer is cut.
fn probed(reply: ProbeReply) -> Result<ProbeEnd, AgentError> {
    let exit = reply.exit.ok_or_else(|| AgentError::Protocol("a health check has no end".to_owned()))?;
    let surplus = reply.output.len().saturating_sub(ProbeEnd::OUTPUT_BYTES_MAX);
    Ok(ProbeEnd {
        exit: ExecExit { code: exit.code, timed_out: exit.timed_out },
        output: reply.output.get(surplus..).unwrap_or_default().to_vec(),
    })
}

fn held_of(held: Held) -> Result<HeldExec, AgentError> {
    let broke = |what: &str| AgentError::Protocol(format!("it holds an exec with a bad {what}"));
    let kind = match v1::ExecKind::try_from(held.kind) {
        Ok(v1::ExecKind::Exec) => ExecKind::Exec,
        Ok(v1::ExecKind::Main) => ExecKind::Main,
        Ok(v1::ExecKind::Probe) | Err(_) => return Err(broke("kind")),
    };
    if held.first_seq == 0 || held.first_seq > held.last_seq.saturating_add(1) {
        return Err(broke("range of events"));
    }
    Ok(HeldExec {
        exec: held.exec_id.parse().map_err(|_| broke("id"))?,
        kind,
        running: held.running,
        first_seq: held.first_seq,
        last_seq: held.last_seq,
        pid: (held.pid > 0 && held.running).then_some(held.pid),
    })
}
