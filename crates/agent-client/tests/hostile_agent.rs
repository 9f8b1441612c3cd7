//! Agents that lie, hang, flood or are not there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use atoll_agent_client::AgentClient;
use atoll_agent_protocol::frames::{FrameKind, frame_header};
use atoll_agent_protocol::v1::agent_server::{Agent, AgentServer};
use atoll_agent_protocol::v1::event::Kind;
use atoll_agent_protocol::v1::*;
use atoll_agent_protocol::{EXECS_MAX, PROTOCOL_VERSION, encode, terminal_output};
use atoll_ports::{
    AgentError, AgentLink, AgentPorts, EventStream, FileAt, FilePart, FilesError, StartExec, StdinPiece,
    TerminalKey,
};
use atoll_types::{ExecId, FilePath, SandboxId};
use bytes::Bytes;
use futures_util::StreamExt;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tonic::{Request, Response, Status};

/// When connections are closed here: long enough for every test that keeps one.
const UNUSED: Duration = Duration::from_millis(300);

/// What the agent under test says.
#[derive(Debug, Clone)]
struct Liar {
    version: u32,
    events: Vec<Event>,
    /// Whether its streams go on for ever after that.
    hangs: bool,
    held: Vec<Held>,
    /// What its terminals show.
    shown: Vec<TerminalEvent>,
    /// What its file helpers say, in pieces.
    file_pieces: Vec<Vec<u8>>,
    /// What it says for a port.
    port_pieces: Vec<PortPiece>,
    /// How its health checks end.
    probed: ProbeReply,
    greetings: Arc<AtomicUsize>,
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

struct Host {
    client: AgentClient,
    sandbox: SandboxId,
    directory: TempDir,
}

impl Host {
    fn without_agent() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let client =
            AgentClient::closing_after(std::fs::File::open(directory.path()).unwrap().into(), UNUSED);
        Self { client, sandbox: SandboxId::random(), directory }
    }

    fn listen(&self) -> StdListener {
        let listener =
            StdListener::bind(self.directory.path().join(format!("{}.sock", self.sandbox))).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    }

    fn with(liar: Liar) -> Self {
        let host = Self::without_agent();
        host.serve(liar);
        host
    }

    fn serve(&self, liar: Liar) -> tokio::task::AbortHandle {
        let listener = UnixListener::from_std(self.listen()).unwrap();
        // As large as a hostile agent likes.
        let service = AgentServer::new(liar).max_encoding_message_size(usize::MAX);
        let mut tasks = tokio::task::JoinSet::new();
        let handle = tasks.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone());
                let serving =
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { drop(serving.await) });
            }
        });
        tasks.detach_all();
        handle
    }

    async fn exec(&self) -> Result<EventStream, AgentError> {
        self.client.exec(&self.sandbox, true_program()).await
    }

    /// How a stream of these events ends.
    async fn ends_with(liar: Liar) -> Option<AgentError> {
        let host = Self::with(liar);
        let mut events = host.exec().await.unwrap();
        let mut last = None;
        while let Some(event) = events.next().await {
            last = event.err();
        }
        last
    }
}

fn true_program() -> StartExec {
    StartExec {
        exec: ExecId::random(),
        kind: atoll_types::ExecKind::Exec,
        argv: vec!["true".to_owned()],
        env: Vec::new(),
        cwd: None,
        user: "root".parse().unwrap(),
        timeout: None,
        stdin: Bytes::new(),
        stdin_open: false,
        tty: None,
    }
}

fn event(seq: u64, kind: Kind) -> Event {
    Event { seq, time_ms: i64::MIN, kind: Some(kind) }
}

fn start() -> Event {
    event(1, Kind::Start(Start {}))
}

fn output(seq: u64, len: usize) -> Event {
    event(seq, Kind::Output(Output { stream: 0, data: vec![b'x'; len].into() }))
}

fn exit(seq: u64) -> Event {
    event(seq, Kind::Exit(Exit { code: 0, timed_out: false }))
}

#[tokio::test]
async fn a_stream_that_breaks_the_protocol_ends_with_an_error() {
    for events in
        [vec![start(), exit(3)], vec![start()], vec![exit(1)], vec![start(), output(2, 70_000), exit(3)]]
    {
        let end = Host::ends_with(Liar { events: events.clone(), ..Liar::default() }).await;
        assert!(matches!(end, Some(AgentError::Protocol(_))), "{end:?}");
    }
    // Beyond the size of a message: refused before it is all read.
    let end = Host::ends_with(Liar { events: vec![start(), output(2, 10 << 20)], ..Liar::default() }).await;
    assert!(matches!(end, Some(AgentError::Protocol(_))), "{end:?}");
}

#[tokio::test]
async fn nothing_is_waited_for_after_the_exit() {
    let liar = Liar { events: vec![start(), exit(2)], hangs: true, ..Liar::default() };
    let host = Host::with(liar);
    let events: Vec<_> = host.exec().await.unwrap().collect().await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(Result::is_ok));
}

#[tokio::test]
async fn what_comes_from_a_port_is_bounded_and_has_an_end_of_its_own() {
    let said = |bytes: usize, end| PortPiece { data: vec![b'x'; bytes].into(), end, ..PortPiece::default() };
    for (port_pieces, kind) in [
        (vec![said(3, false), said(20 << 10, false)], std::io::ErrorKind::InvalidData),
        (vec![said(3, false)], std::io::ErrorKind::ConnectionReset),
    ] {
        let host = Host::with(Liar { port_pieces, ..Liar::default() });
        let mut stream = host.client.dial(&host.sandbox, 80.try_into().unwrap()).await.unwrap();
        let mut heard = Vec::new();
        let error = stream.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!((error.kind(), heard.len()), (kind, 3));
    }
    let host = Host::with(Liar { port_pieces: vec![said(3, true), said(3, false)], ..Liar::default() });
    let mut stream = host.client.dial(&host.sandbox, 80.try_into().unwrap()).await.unwrap();
    let mut heard = Vec::new();
    assert_eq!(stream.read_to_end(&mut heard).await.unwrap(), 3);
}

#[tokio::test]
async fn another_version_is_refused_with_clean_text() {
    let host = Host::with(Liar { version: PROTOCOL_VERSION + 1, ..Liar::default() });
    let Some(AgentError::Protocol(text)) = host.exec().await.err() else { panic!("not refused") };
    assert!(!text.contains('\u{1b}') && text.len() < 2000, "{text}");
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let host = Host::with(Liar::default());
    let exec = ExecId::random();
    let stdin =
        host.client.stdin(&host.sandbox, &exec, StdinPiece { eof: true, ..StdinPiece::default() }).await;
    assert_eq!(stdin, Err(AgentError::StdinClosed));
    let signal = host.client.signal(&host.sandbox, &exec, atoll_types::Signal::Term).await;
    assert_eq!(signal, Err(AgentError::NotFound));
    let Some(AgentError::Refused(text)) = host.client.attach(&host.sandbox, &exec, 0).await.err() else {
        panic!("not refused")
    };
    assert!(text.chars().all(|c| c == '\u{FFFD}') && text.chars().count() == 300);
}

/// It would run the command in pipes, and say nothing.
#[tokio::test]
async fn an_older_agent_is_asked_for_no_terminal() {
    let host = Host::with(Liar { events: vec![start(), exit(2)], ..Liar::default() });
    let size = atoll_types::TerminalSize::default();
    let refused =
        host.client.exec(&host.sandbox, StartExec { tty: Some(size), ..true_program() }).await.err();
    assert!(
        matches!(&refused, Some(AgentError::Refused(text)) if text.contains("restart it")),
        "{refused:?}"
    );
    let resized = host.client.exec_resize(&host.sandbox, &ExecId::random(), size).await;
    assert_eq!(resized, Err(AgentError::StdinClosed));
}

#[tokio::test]
async fn lists_and_activity_are_checked() {
    let host = Host::with(Liar::default());
    let activity = host.client.activity(&host.sandbox).await.unwrap();
    assert_eq!(activity.ports, [80, 65_535]);
    let good = Held {
        exec_id: ExecId::random().to_string(),
        kind: 0,
        running: true,
        first_seq: 1,
        last_seq: 0,
        pid: 0,
    };
    for bad in [
        vec![Held { exec_id: "../../etc".to_owned(), ..good.clone() }],
        vec![Held { kind: 9, ..good.clone() }],
        vec![Held { first_seq: 0, ..good.clone() }],
        vec![Held { first_seq: 3, last_seq: 1, ..good.clone() }],
        vec![good.clone(); EXECS_MAX + 1],
    ] {
        let host = Host::with(Liar { held: bad, ..Liar::default() });
        let list = host.client.list(&host.sandbox).await;
        assert!(matches!(list, Err(AgentError::Protocol(_))), "{list:?}");
    }
    let host = Host::with(Liar { held: vec![good], ..Liar::default() });
    assert_eq!(host.client.list(&host.sandbox).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_end_of_a_health_check_is_checked_and_bounded() {
    let host = Host::with(Liar::default());
    let endless = host.client.probe(&host.sandbox, true_program()).await;
    assert!(matches!(endless, Err(AgentError::Protocol(_))), "{endless:?}");
    let output = [vec![b'x'; 60 << 10], b"end".to_vec()].concat().into();
    let probed = ProbeReply { exit: Some(Exit { code: 7, timed_out: false }), output };
    let host = Host::with(Liar { probed, ..Liar::default() });
    let end = host.client.probe(&host.sandbox, true_program()).await.unwrap();
    assert_eq!((end.exit.code, end.output.len()), (7, atoll_ports::ProbeEnd::OUTPUT_BYTES_MAX));
    assert!(end.output.ends_with(b"end"));
}

#[tokio::test]
async fn one_greeting_serves_many_calls_at_once() {
    let liar = Liar { events: vec![start(), exit(2)], ..Liar::default() };
    let greetings = Arc::clone(&liar.greetings);
    let host = Host::with(liar);
    let calls = (0..50).map(|_| async { host.exec().await.unwrap().count().await });
    assert!(futures_util::future::join_all(calls).await.into_iter().all(|events| events == 2));
    assert_eq!(greetings.load(Ordering::Relaxed), 1);
    host.client.forget(&host.sandbox);
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_greeting_ahead_of_the_first_call_is_the_only_one() {
    let liar = Liar::default();
    let greetings = Arc::clone(&liar.greetings);
    let host = Host::with(liar);
    host.client.greet(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 1);
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 1);
    let absent = Host::without_agent();
    assert!(matches!(absent.client.greet(&absent.sandbox).await, Err(AgentError::Unreachable(_))));
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_unreachable_at_once() {
    let host = Host::without_agent();
    let began = Instant::now();
    assert!(matches!(host.exec().await.err(), Some(AgentError::Unreachable(_))));
    assert!(began.elapsed() < Duration::from_millis(1900));
}

#[tokio::test]
async fn an_agent_that_hangs_is_given_up() {
    let host = Host::without_agent();
    let listener = host.listen();
    let began = Instant::now();
    let error = host.exec().await.err();
    assert!(matches!(error, Some(AgentError::Unreachable(_))), "{error:?}");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1900), "{took:?}");
    drop(listener);
}

#[tokio::test]
async fn a_full_backlog_is_given_up() {
    let host = Host::without_agent();
    let listener = host.listen();
    // Shrinks the backlog; nobody accepts.
    rustix::net::listen(&listener, 0).unwrap();
    let path = host.directory.path().join(format!("{}.sock", host.sandbox));
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let began = Instant::now();
    let error = host.exec().await.err();
    assert!(matches!(error, Some(AgentError::Unreachable(_))), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_new_agent_of_the_same_sandbox_is_connected_anew() {
    let host = Host::with(Liar::default());
    host.client.list(&host.sandbox).await.unwrap();
    std::fs::remove_file(host.directory.path().join(format!("{}.sock", host.sandbox))).unwrap();
    let next = Liar::default();
    let greetings = Arc::clone(&next.greetings);
    host.serve(next);
    host.client.forget(&host.sandbox);
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_unused_connection_is_closed_and_a_used_one_is_not() {
    let liar = Liar { events: vec![start()], hangs: true, ..Liar::default() };
    let greetings = Arc::clone(&liar.greetings);
    let host = Host::with(liar);
    let events = host.exec().await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 1, "a stream is open");
    drop(events);
    tokio::time::sleep(Duration::from_millis(700)).await;
    host.client.list(&host.sandbox).await.unwrap();
    assert_eq!(greetings.load(Ordering::Relaxed), 2, "nobody used it");
}

#[tokio::test]
async fn what_an_agent_says_of_terminals_is_checked() {
    use atoll_ports::TerminalLink;
    use terminal_event::Kind::{Attached, Exit, Output};
    let key = || TerminalKey { name: "main".parse().unwrap(), generation: 1 };
    let attached = |offset| Attached(TerminalAttached { generation: 1, cols: 80, rows: 24, offset, end: 5 });
    let output = |offset, data: &'static [u8]| Output(terminal_output(offset, data.into()));
    let exit = |code| Exit(TerminalExit { code });
    for (shown, attaches, passed) in [
        (vec![attached(5), output(5, b"a"), output(7, b"b"), exit(0)], true, 3),
        (vec![attached(5), output(4, b"a")], true, 0),
        (vec![attached(5), output(5, b"")], true, 0),
        (vec![attached(5), output(u64::MAX, b"a")], true, 0),
        (vec![attached(5), attached(5)], true, 0),
        (vec![attached(5), exit(256)], true, 0),
        (vec![attached(6)], false, 0),
        (vec![output(0, b"a")], false, 0),
        (Vec::new(), false, 0),
    ] {
        let events = shown.iter().map(|kind| TerminalEvent { kind: Some(kind.clone()) }).collect();
        let host = Host::with(Liar { shown: events, ..Liar::default() });
        let answer = TerminalLink::attach(&host.client, &host.sandbox, &key(), Some(5)).await;
        assert_eq!(answer.is_ok(), attaches, "{shown:?}");
        let Ok((_, stream)) = answer else { continue };
        let seen: Vec<_> = stream.collect().await;
        assert_eq!(seen.iter().filter(|event| event.is_ok()).count(), passed, "{shown:?}");
        assert_eq!(seen.iter().any(Result::is_err), passed == 0, "{shown:?}");
    }
    let host = Host::with(Liar::default());
    assert!(matches!(TerminalLink::list(&host.client, &host.sandbox).await, Err(AgentError::Protocol(_))));
    let typed = host.client.input(&host.sandbox, &key(), Bytes::from_static(b"x")).await;
    assert_eq!(typed, Err(AgentError::StdinClosed));
    let resized = host.client.resize(&host.sandbox, &key(), atoll_types::TerminalSize::default()).await;
    assert!(matches!(resized, Err(AgentError::Refused(text)) if text.contains("restart it")));
}

fn frame(kind: FrameKind, message: &impl prost::Message) -> Vec<u8> {
    let message = encode(message);
    [&frame_header(kind, message.len()).unwrap()[..], &message].concat()
}

fn listing(name: &[u8]) -> FileReply {
    let entry = FileEntry { name: Bytes::copy_from_slice(name), ..FileEntry::default() };
    FileReply { entries: vec![entry], ..FileReply::default() }
}

#[tokio::test]
async fn what_a_file_helper_says_is_not_believed() {
    use atoll_ports::Files;

    let end = frame(FrameKind::End, &());
    let reading = FileReply { entry: Some(FileEntry::default()), length: 1, ..FileReply::default() };
    let many = FileReply { entries: vec![listing(b"a").entries[0].clone(); 50], ..FileReply::default() };
    for (pieces, expected) in [
        (vec![], FilesError::Interrupted),
        (vec![b"HTTP/1.1 200 OK".to_vec()], FilesError::Protocol("what it says is no frame".to_owned())),
        (vec![vec![0; 70_000]], FilesError::Protocol("a piece is too large".to_owned())),
        (vec![frame(FrameKind::Reply, &listing(b"../up")), end.clone()], impossible_name()),
        (vec![frame(FrameKind::Reply, &listing(b"..")), end.clone()], impossible_name()),
        (vec![frame(FrameKind::Reply, &listing(b"")), end.clone()], impossible_name()),
        (vec![frame(FrameKind::Reply, &listing(b"a"))], FilesError::Interrupted),
        (
            vec![frame(FrameKind::Reply, &many), end.clone()],
            FilesError::Protocol("a listing is longer than was asked".to_owned()),
        ),
        (
            vec![frame(FrameKind::Data, &listing(b"a")), end.clone()],
            FilesError::Protocol("it sends data that nobody asked for".to_owned()),
        ),
    ] {
        let host = Host::with(Liar { file_pieces: pieces, ..Liar::default() });
        let at = FileAt { user: "root".parse().unwrap(), path: FilePath::home(), or_root: false };
        let answer = Files::list(&host.client, &host.sandbox, &at, b"", 10).await;
        assert_eq!(answer, Err(expected));
    }
    let host = Host::with(Liar { file_pieces: vec![frame(FrameKind::Reply, &reading)], ..Liar::default() });
    let at = FileAt { user: "root".parse().unwrap(), path: FilePath::home(), or_root: false };
    let read = host.client.read(&host.sandbox, &at, FilePart::WHOLE).await;
    assert_eq!(read.err(), Some(FilesError::Protocol("the part is beyond the file".to_owned())));
}

#[tokio::test]
async fn an_agent_that_announces_a_descriptor_and_hands_none_over_is_an_error() {
    use atoll_ports::Files;

    let entry = FileEntry { name: "x".into(), size: 5, ..FileEntry::default() };
    let reply = FileReply { entry: Some(entry), length: 5, hand_over: true, ..FileReply::default() };
    let host = Host::with(Liar { file_pieces: vec![frame(FrameKind::Reply, &reply)], ..Liar::default() });
    let at = FileAt { user: "root".parse().unwrap(), path: FilePath::home(), or_root: false };
    let read = host.client.read(&host.sandbox, &at, FilePart::WHOLE).await;
    assert!(matches!(read, Err(FilesError::Unreachable(_) | FilesError::Interrupted)), "{read:?}");
}

fn impossible_name() -> FilesError {
    FilesError::Protocol("a listing has an impossible name".to_owned())
}
