//! What a client sends on the WebSocket of a terminal, in both framings, over a connection in memory, through the whole API with
//! the kit's ports. The first byte chooses the framing, and whether the rest are whole frames (a byte for the kind, one for the
//! length, then the payload) or bytes as they lie on the wire.
#![no_main]

mod kit;

use std::cell::RefCell;
use std::time::Duration;

use atoll_tasks::Tasks;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tower::ServiceExt as _;

/// A server is thrown away after so many connections: each is shown what those before it typed.
const CONNECTIONS_MAX: usize = 64;
/// Bytes under way in one direction.
const PIPE_BYTES: usize = 64 << 10;
/// The client does not wait longer for what it is told.
const PATIENCE: Duration = Duration::from_millis(5);
/// How the server closes when a request has failed by its own fault.
const CLOSE_INTERNAL: u16 = 4500;
/// The framing with channels.
const PROTOCOL: &str = "atoll.terminal.v1";

struct Server {
    runtime: Runtime,
    router: Router,
    sandbox: String,
    left: usize,
    _tasks: Tasks,
    _ready: watch::Sender<bool>,
}

thread_local!(static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) });

fuzz_target!(|input: (u8, &[u8])| {
    let (how, bytes) = input;
    let (channels, whole) = (how & 1 != 0, how & 2 != 0);
    SERVER.with_borrow_mut(|server| {
        if server.as_ref().is_none_or(|server| server.left == 0) {
            *server = Some(Server::start());
        }
        if let Some(server) = server {
            server.left -= 1;
            let sent = if whole { frames(bytes) } else { bytes.to_vec() };
            let told = server.runtime.block_on(server.connect(channels, &sent));
            check(channels, &told);
        }
    });
});

impl Server {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let tasks = Tasks::new();
        let (ready, is_ready) = watch::channel(true);
        let router = runtime.block_on(kit::api(&tasks, is_ready));
        let sandbox = runtime.block_on(create(router.clone()));
        Self { runtime, router, sandbox, left: CONNECTIONS_MAX, _tasks: tasks, _ready: ready }
    }

    /// Opens a terminal, sends the bytes, and answers with what came back after the head.
    async fn connect(&self, channels: bool, sent: &[u8]) -> Vec<u8> {
        let (client, server) = duplex(PIPE_BYTES);
        let service = TowerToHyperService::new(self.router.clone());
        let served = http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades();
        // The terminal itself is a task of its own, which ends when the client goes.
        let (_, told) = tokio::join!(served, self.talk(client, channels, sent));
        told
    }

    async fn talk(&self, mut client: DuplexStream, channels: bool, sent: &[u8]) -> Vec<u8> {
        let protocol =
            if channels { format!("sec-websocket-protocol: {PROTOCOL}\r\n") } else { String::new() };
        let head = format!(
            "GET /sandboxes/{}/terminal HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{protocol}\r\n",
            self.sandbox
        );
        client.write_all(head.as_bytes()).await.expect("a server that listens");
        let mut told = Vec::new();
        let at = loop {
            let end = b"\r\n\r\n";
            if let Some(at) = told.windows(end.len()).position(|window| window == end) {
                break at + end.len();
            }
            assert!(
                client.read_buf(&mut told).await.expect("a head") > 0,
                "{}",
                String::from_utf8_lossy(&told)
            );
        };
        assert!(told.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&told));
        let mut told = told.split_off(at);
        let (mut reading, mut writing) = tokio::io::split(client);
        let write = async {
            // A server that has closed takes no more.
            let _closed = writing.write_all(sent).await;
            let _closed = writing.shutdown().await;
        };
        let read = async { while matches!(reading.read_buf(&mut told).await, Ok(1..)) {} };
        let _late = tokio::time::timeout(PATIENCE, async { tokio::join!(write, read) }).await;
        told
    }
}

async fn create(router: Router) -> String {
    let request = Request::post("/sandboxes").header("host", "localhost");
    let request =
        request.header("content-type", "application/json").body(Body::from("{}")).expect("a request");
    let Ok(response) = router.oneshot(request).await;
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let made: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    made["data"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

/// Frames as a client sends them: masked, with a mask that changes nothing.
fn frames(mut bytes: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    while let [kind, length, rest @ ..] = bytes {
        let length = usize::from(*length & 0x7F).min(125).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        sent.extend([*kind, 0x80 | u8::try_from(length).expect("at most 125"), 0, 0, 0, 0]);
        sent.extend(payload);
        bytes = rest;
    }
    sent
}

/// The server keeps to the protocol, whatever it is sent.
fn check(channels: bool, mut told: &[u8]) {
    while let Some((kind, payload, rest)) = frame(told) {
        told = rest;
        match kind {
            1 => assert!(!channels, "text, where there are channels"),
            2 if channels => {
                assert!(matches!(payload.first(), Some(1 | 2)), "no channel of the server's: {payload:?}")
            }
            2 | 9 | 10 => {}
            8 => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                assert_ne!(code, CLOSE_INTERNAL, "{}", String::from_utf8_lossy(payload));
            }
            kind => panic!("a frame of kind {kind}"),
        }
    }
}

/// The first frame: its kind and payload, and what follows; none where it is not whole.
fn frame(told: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, second], rest) = told.split_first_chunk()?;
    assert_eq!(first & 0x70, 0, "bits that nobody agreed on");
    assert_eq!(second & 0x80, 0, "a server masks nothing");
    let (length, rest) = match second & 0x7F {
        126 => {
            rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?
        }
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        length => (length.into(), rest),
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((first & 0x0F, payload, rest))
}
