//! The calls of the protocol.

use std::sync::Arc;
use std::time::Duration;

use atoll_agent_protocol::v1::agent_server::{Agent as Calls, AgentServer};
use atoll_agent_protocol::v1::{
    AckReply, AckRequest, ActivityReply, ActivityRequest, AttachRequest, ExecKind, ExecRequest,
    ExecResizeReply, ExecResizeRequest, FilesPiece, Held, HelloReply, HelloRequest, ListReply, ListRequest,
    PortPiece, ProbeReply, ProbeRequest, SignalReply, SignalRequest, StdinReply, StdinRequest,
    TerminalAttachRequest, TerminalCloseReply, TerminalCloseRequest, TerminalInputReply,
    TerminalInputRequest, TerminalListReply, TerminalListRequest, TerminalOpenReply, TerminalOpenRequest,
    TerminalResizeReply, TerminalResizeRequest,
};
use atoll_agent_protocol::{
    CAPABILITY_EXEC_TTY, CAPABILITY_FILES, CAPABILITY_HAND_OVER, CAPABILITY_PORTS, CAPABILITY_PROBE,
    CAPABILITY_TERMINAL, EXEC_REQUEST_BYTES_MAX, MESSAGE_BYTES_MAX, PROTOCOL_VERSION, STDIN_BYTES_MAX,
};
use rustix::process::Signal;
use tonic::{Request, Response, Status, Streaming};

use crate::activity::listening_ports;
use crate::agent::Agent;
use crate::exec::{Events, Exec};
use crate::files::{self, Pieces};
use crate::stdin::Piece;
use crate::terminal::{self, Views};
use crate::{port, probe, start, status};

/// What a serve of any release up to this one is told.
const AGENT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Answers the calls of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Server(pub(crate) Arc<Agent>);

impl Server {
    pub(crate) fn service(agent: Arc<Agent>) -> AgentServer<Self> {
        AgentServer::new(Self(agent))
            .max_decoding_message_size(EXEC_REQUEST_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Calls for Server {
    type ExecStream = Events;
    type AttachStream = Events;
    type TerminalAttachStream = Views;
    type FilesStream = Pieces;
    type DialStream = port::Said;

    async fn hello(&self, _: Request<HelloRequest>) -> Answer<HelloReply> {
        let always =
            [CAPABILITY_TERMINAL, CAPABILITY_FILES, CAPABILITY_EXEC_TTY, CAPABILITY_PROBE, CAPABILITY_PORTS];
        let capabilities = always.into_iter().chain(self.0.hands_over.then_some(CAPABILITY_HAND_OVER));
        Ok(Response::new(HelloReply {
            protocol_version: PROTOCOL_VERSION,
            agent_version: AGENT_VERSION.to_owned(),
            capabilities: capabilities.map(str::to_owned).collect(),
        }))
    }

    async fn exec(&self, request: Request<ExecRequest>) -> Answer<Events> {
        self.0.spares.settle().await;
        let exec = start::start(&self.0, request.into_inner())?;
        Events::after(exec, 0).map(Response::new).map_err(status::gone)
    }

    async fn attach(&self, request: Request<AttachRequest>) -> Answer<Events> {
        let request = request.into_inner();
        let exec = self.0.find(&request.exec_id)?;
        Events::after(exec, request.after_seq).map(Response::new).map_err(status::gone)
    }

    async fn ack(&self, request: Request<AckRequest>) -> Answer<AckReply> {
        for acked in request.into_inner().acked {
            self.0.ack(&acked.exec_id, acked.seq);
        }
        Ok(Response::new(AckReply {}))
    }

    async fn stdin(&self, request: Request<StdinRequest>) -> Answer<StdinReply> {
        let StdinRequest { exec_id, data, eof, offset } = request.into_inner();
        if data.len() > STDIN_BYTES_MAX {
            return Err(Status::invalid_argument("too much input at once"));
        }
        let exec = self.0.find(&exec_id)?;
        self.0.activity.touch();
        exec.stdin.write(Piece { offset, data, eof }).await.map_err(status::input_refused)?;
        Ok(Response::new(StdinReply {}))
    }

    async fn signal(&self, request: Request<SignalRequest>) -> Answer<SignalReply> {
        let request = request.into_inner();
        let signal = Signal::from_named_raw(request.signal)
            .ok_or_else(|| Status::invalid_argument("no such signal"))?;
        let exec = self.0.find(&request.exec_id)?;
        if let Some(pid) = exec.pid.filter(|_| request.end_group) {
            // Before the signal, which may end it at once.
            self.0.children.kill_group_at_end(pid);
        }
        match exec.pid {
            Some(pid) if self.0.children.signal(pid, signal) => Ok(Response::new(SignalReply {})),
            _ => Err(Status::failed_precondition("it has ended")),
        }
    }

    async fn exec_resize(&self, request: Request<ExecResizeRequest>) -> Answer<ExecResizeReply> {
        let ExecResizeRequest { exec_id, size } = request.into_inner();
        let size = size.ok_or_else(|| Status::invalid_argument("a size is missing"))?;
        let size = terminal::size(size.cols, size.rows)?;
        let tty = self.0.find(&exec_id)?.tty();
        let tty = tty.ok_or_else(|| Status::failed_precondition("it has no terminal"))?;
        tty.resize(size).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(ExecResizeReply {}))
    }

    async fn list(&self, _: Request<ListRequest>) -> Answer<ListReply> {
        let execs = self.0.list();
        let execs = execs.iter().filter(|exec| exec.kind != ExecKind::Probe).map(|exec| held(exec)).collect();
        Ok(Response::new(ListReply { execs }))
    }

    async fn probe(&self, request: Request<ProbeRequest>) -> Answer<ProbeReply> {
        probe::run(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn activity(&self, _: Request<ActivityRequest>) -> Answer<ActivityReply> {
        let running =
            self.0.list().iter().filter(|exec| exec.kind == ExecKind::Exec && exec.running()).count();
        let idle = if running > 0 { Duration::ZERO } else { self.0.activity.idle() };
        Ok(Response::new(ActivityReply {
            idle_ms: u64::try_from(idle.as_millis()).unwrap_or(u64::MAX),
            execs_running: u32::try_from(running).unwrap_or(u32::MAX),
            ports: listening_ports(),
        }))
    }

    async fn files(&self, request: Request<Streaming<FilesPiece>>) -> Answer<Pieces> {
        files::open(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn dial(&self, request: Request<Streaming<PortPiece>>) -> Answer<port::Said> {
        port::dial(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn terminal_open(&self, request: Request<TerminalOpenRequest>) -> Answer<TerminalOpenReply> {
        self.0.spares.settle().await;
        terminal::open(&self.0, request.into_inner()).map(Response::new)
    }

    async fn terminal_attach(&self, request: Request<TerminalAttachRequest>) -> Answer<Views> {
        terminal::attach(&self.0, &request.into_inner()).map(Response::new)
    }

    async fn terminal_input(&self, request: Request<TerminalInputRequest>) -> Answer<TerminalInputReply> {
        terminal::input(&self.0, request.into_inner()).await?;
        Ok(Response::new(TerminalInputReply {}))
    }

    async fn terminal_resize(&self, request: Request<TerminalResizeRequest>) -> Answer<TerminalResizeReply> {
        terminal::resize(&self.0, &request.into_inner())?;
        Ok(Response::new(TerminalResizeReply {}))
    }

    async fn terminal_list(&self, _: Request<TerminalListRequest>) -> Answer<TerminalListReply> {
        Ok(Response::new(TerminalListReply { terminals: terminal::list(&self.0) }))
    }

    async fn terminal_close(&self, request: Request<TerminalCloseRequest>) -> Answer<TerminalCloseReply> {
        terminal::close(&self.0, &request.into_inner())?;
        Ok(Response::new(TerminalCloseReply {}))
    }
}

fn held(exec: &Exec) -> Held {
    exec.with_ring(|ring| Held {
        exec_id: exec.id.clone(),
        kind: exec.kind.into(),
        running: !ring.ended(),
        first_seq: ring.first_seq(),
        last_seq: ring.last_seq(),
        // One that has ended has given its number back.
        pid: exec.pid.filter(|_| !ring.ended()).map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs()),
    })
}
