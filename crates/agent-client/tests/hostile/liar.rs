//! An agent that says what a test tells it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atoll_agent_protocol::v1::agent_server::Agent;
use atoll_agent_protocol::v1::event::Kind;
use atoll_agent_protocol::v1::*;
use atoll_agent_protocol::{PROTOCOL_VERSION, exec_output};
use futures_util::StreamExt;
use tonic::{Request, Response, Status};

/// What the agent under test says.
#[derive(Debug, Clone)]
pub(crate) struct Liar {
    pub(crate) version: u32,
    pub(crate) events: Vec<Event>,
    /// Whether its streams go on for ever after that.
    pub(crate) hangs: bool,
    pub(crate) held: Vec<Held>,
    /// What its terminals show.
    pub(crate) shown: Vec<TerminalEvent>,
    /// What its file helpers say, in pieces.
    pub(crate) file_pieces: Vec<Vec<u8>>,
    /// What it says for a port.
    pub(crate) port_pieces: Vec<PortPiece>,
    /// How its health checks end.
    pub(crate) probed: ProbeReply,
    pub(crate) greetings: Arc<AtomicUsize>,
}

impl Default for Liar {
    fn default() -> Self {
        Self {
            version: PROTOCOL_VERSION,
            events: Vec::new(),
            hangs: false,
            held: Vec::new(),
            shown: Vec::new(),
            file_pieces: Vec::new(),
            port_pieces: Vec::new(),
            probed: ProbeReply::default(),
            greetings: Arc::default(),
        }
    }
}

type Events = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<Event, Status>> + Send>>;
type Views = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<TerminalEvent, Status>> + Send>>;
type Pieces = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<FilesPiece, Status>> + Send>>;
type PortPieces = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<PortPiece, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Agent for Liar {
    type ExecStream = Events;
    type AttachStream = Events;
    type TerminalAttachStream = Views;
    type FilesStream = Pieces;
    type DialStream = PortPieces;

    async fn dial(&self, _: Request<tonic::Streaming<PortPiece>>) -> Answer<PortPieces> {
        let said = self.port_pieces.clone().into_iter().map(Ok);
        Ok(Response::new(Box::pin(tokio_stream::iter(said))))
    }

    async fn files(&self, _: Request<tonic::Streaming<FilesPiece>>) -> Answer<Pieces> {
        let pieces = self.file_pieces.clone().into_iter();
        let said = pieces.map(|data| Ok(FilesPiece { data: data.into(), ..FilesPiece::default() }));
        Ok(Response::new(Box::pin(tokio_stream::iter(said))))
    }

    async fn hello(&self, _: Request<HelloRequest>) -> Answer<HelloReply> {
        self.greetings.fetch_add(1, Ordering::Relaxed);
        let agent_version = "\u{1b}[2Jevil".repeat(1000);
        Ok(Response::new(HelloReply {
            protocol_version: self.version,
            agent_version,
            capabilities: vec![
                atoll_agent_protocol::CAPABILITY_PROBE.to_owned(),
                atoll_agent_protocol::CAPABILITY_PORTS.to_owned(),
            ],
        }))
    }

    async fn exec(&self, _: Request<ExecRequest>) -> Answer<Events> {
        let said = tokio_stream::iter(self.events.clone().into_iter().map(Ok));
        Ok(Response::new(if self.hangs {
            Box::pin(said.chain(tokio_stream::pending()))
        } else {
            Box::pin(said)
        }))
    }

    async fn attach(&self, _: Request<AttachRequest>) -> Answer<Events> {
        Err(Status::invalid_argument("\u{7}".repeat(2000)))
    }

    async fn ack(&self, _: Request<AckRequest>) -> Answer<AckReply> {
        Ok(Response::new(AckReply {}))
    }

    async fn stdin(&self, _: Request<StdinRequest>) -> Answer<StdinReply> {
        Err(Status::failed_precondition("closed"))
    }

    async fn signal(&self, _: Request<SignalRequest>) -> Answer<SignalReply> {
        Err(Status::not_found("who?"))
    }

    async fn exec_resize(&self, _: Request<ExecResizeRequest>) -> Answer<ExecResizeReply> {
        Err(Status::unimplemented("an older release"))
    }

    async fn list(&self, _: Request<ListRequest>) -> Answer<ListReply> {
        Ok(Response::new(ListReply { execs: self.held.clone() }))
    }

    async fn activity(&self, _: Request<ActivityRequest>) -> Answer<ActivityReply> {
        let ports = vec![0, 80, 80, 65_535, 65_536, u32::MAX];
        Ok(Response::new(ActivityReply { idle_ms: u64::MAX, execs_running: u32::MAX, ports }))
    }

    async fn terminal_open(&self, _: Request<TerminalOpenRequest>) -> Answer<TerminalOpenReply> {
        Ok(Response::new(TerminalOpenReply { generation: 0, made: true }))
    }

    async fn terminal_attach(&self, _: Request<TerminalAttachRequest>) -> Answer<Views> {
        Ok(Response::new(Box::pin(tokio_stream::iter(self.shown.clone().into_iter().map(Ok)))))
    }

    async fn terminal_input(&self, _: Request<TerminalInputRequest>) -> Answer<TerminalInputReply> {
        Err(Status::failed_precondition("ended"))
    }

    async fn terminal_resize(&self, _: Request<TerminalResizeRequest>) -> Answer<TerminalResizeReply> {
        Err(Status::unimplemented("an older release"))
    }

    async fn terminal_list(&self, _: Request<TerminalListRequest>) -> Answer<TerminalListReply> {
        let name = "../../etc".to_owned();
        let held = HeldTerminal { name, generation: 1, cols: 1, rows: 1, ..HeldTerminal::default() };
        Ok(Response::new(TerminalListReply { terminals: vec![held] }))
    }

    async fn probe(&self, _: Request<ProbeRequest>) -> Answer<ProbeReply> {
        Ok(Response::new(self.probed.clone()))
    }

    async fn terminal_close(&self, _: Request<TerminalCloseRequest>) -> Answer<TerminalCloseReply> {
        Err(Status::not_found("which?"))
    }
}

pub(crate) fn event(seq: u64, kind: Kind) -> Event {
    Event { seq, time_ms: i64::MIN, kind: Some(kind) }
}

pub(crate) fn start() -> Event {
    event(1, Kind::Start(Start {}))
}

pub(crate) fn output(seq: u64, len: usize) -> Event {
    event(seq, Kind::Output(exec_output(output::Stream::Stdout, vec![b'x'; len].into())))
}

pub(crate) fn exit(seq: u64) -> Event {
    event(seq, Kind::Exit(Exit { code: 0, timed_out: false }))
}
