//! A server of one sandbox and one exec, which writes down what it is asked; and the command that asks it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::oneshot;

pub(crate) const SANDBOX: &str = "0123456789ab";
pub(crate) const EXEC: &str = "0123456789abcdefghjk";

/// What the stream does, in order. Each connection begins after the last `Drop`.
#[derive(Clone)]
pub(crate) enum Play {
    Stdout(&'static [u8]),
    Stderr(&'static [u8]),
    /// The connection breaks.
    Drop,
    /// Goes on when a request whose line begins so was made.
    Await(&'static str),
    Exit(Option<i32>),
}

/// In place of a status: the connection ends before the answer is whole.
pub(crate) const CUT: u16 = 0;

/// A request, and how often it was made before: what to answer instead of the usual.
type Override = Box<dyn Fn(&str, usize) -> Option<(u16, String)> + Send + Sync>;

struct Inner {
    plays: Vec<Play>,
    position: Mutex<usize>,
    seq: Mutex<u64>,
    asked: Mutex<Vec<String>>,
    instead: Override,
}

/// Serves until it is dropped.
pub(crate) struct Fake {
    inner: Arc<Inner>,
    address: SocketAddr,
    home: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub(crate) fn failure(code: &str, message: &str) -> String {
    format!(r#"{{"success":false,"error":{{"code":"{code}","message":"{message}","traceId":"trace-1"}}}}"#)
}

pub(crate) fn sandbox(id: &str, name: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"{name}","state":"running","image":"host","runtime":"native","cpu":0.5,"memoryBytes":536870912,
        "diskBytes":2147483648,"pids":512,"network":"none","env":{{}},"command":null,"user":"agent","capabilities":"standard",
        "readOnlyRoot":false,"labels":{{}},"ttlSeconds":null,"onExpiry":"delete","expiresAt":null,"idleTtlSeconds":900,
        "createdAt":"2026-01-01T00:00:00Z","startedAt":null}}"#
    )
}

fn exec(exit_code: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{EXEC}","sandboxId":"{SANDBOX}","status":"exited","command":["x"],"exitCode":{exit_code},
        "durationMs":1,"truncated":false,"createdAt":"t","finishedAt":null{more}}}"#
    )
}

fn success(data: &str) -> (u16, String) {
    (200, format!(r#"{{"success":true,"data":{data},"nextCursor":null}}"#))
}

impl Inner {
    fn usual(&self, request: &str) -> (u16, String) {
        let exit = self.plays.iter().find_map(|play| match play {
            Play::Exit(Some(code)) => Some(code.to_string()),
            _ => None,
        });
        let exit = exit.unwrap_or_else(|| "null".to_owned());
        let path = request.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
        let known = path.replace(EXEC, "E").replace(SANDBOX, "S");
        match known.as_str() {
            "POST /sandboxes" | "GET /sandboxes/S" => success(&sandbox(SANDBOX, "first")),
            "GET /sandboxes" => success(&format!(
                "[{},{},{}]",
                sandbox(SANDBOX, "first"),
                sandbox("a23456789abc", "twin"),
                sandbox("b23456789abc", "twin")
            )),
            "GET /sandboxes/S/metrics" => success(
                r#"{"cpu":{"usagePercent":2.5,"systemPercent":1.2,"cores":1},
                "memory":{"usageBytes":52428800,"limitBytes":268435456,"usagePercent":19.5},
                "network":{"rxBytes":1024,"txBytes":512,"rxPackets":10,"txPackets":5},
                "io":{"readBytes":4096,"writeBytes":2048},"pids":{"current":3,"limit":64}}"#,
            ),
            "DELETE /sandboxes/S" => success(&format!(r#"{{"id":"{SANDBOX}","deleted":true}}"#)),
            "POST /sandboxes/S/exec" => success(&exec("null", "")),
            "GET /sandboxes/S/execs/E" => {
                success(&exec(&exit, r#","stdout":"out","stderr":"err","error":"the record says why""#))
            }
            "POST /sandboxes/S/execs/E/stdin" | "POST /sandboxes/S/execs/E/signal" => success("{}"),
            "GET /auth/me" => success(r#"{"id":"u","email":"a@b.c","role":"user","createdAt":"t"}"#),
            "POST /auth/login" => success(
                r#"{"user":{"id":"u","email":"a@b.c","role":"user","createdAt":"t"},"token":"short","expiresAt":"t"}"#,
            ),
            "POST /api-keys" => success(
                r#"{"id":"0123456789abcdef","name":"n","prefix":"sk_k","createdAt":"t","expiresAt":null,"lastUsedAt":null,"key":"sk_key"}"#,
            ),
            "DELETE /api-keys/0123456789abcdef" => success(r#"{"id":"0123456789abcdef","deleted":true}"#),
            "POST /images" => success(r#"{"name":"debian:12","digest":null,"sizeBytes":5,"createdAt":null}"#),
            _ => (404, failure("route_not_found", "there is no such route")),
        }
    }

    fn event(&self, rest: &str) -> String {
        let mut seq = self.seq.lock().unwrap();
        *seq += 1;
        format!(r#"{{"sandbox_id":"{SANDBOX}","exec_id":"{EXEC}","seq":{seq},"time":"t",{rest}}}"#)
    }
}

async fn answer(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = format!("{method} {uri}");
    let token = headers.get("authorization").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let before = {
        let mut asked = inner.asked.lock().unwrap();
        let before = asked.iter().filter(|line| line.starts_with(&request)).count();
        asked.push(format!("{request} {} {token}", String::from_utf8_lossy(&body)));
        before
    };
    let (status, body) = (inner.instead)(&request, before).unwrap_or_else(|| inner.usual(&request));
    if status == CUT {
        let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
        return axum::body::Body::from_stream(broken).into_response();
    }
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

async fn stream(State(inner): State<Arc<Inner>>, uri: Uri, ws: WebSocketUpgrade) -> Response {
    inner.asked.lock().unwrap().push(format!("WS {uri}"));
    ws.on_upgrade(async move |socket| play(inner, socket).await)
}

async fn play(inner: Arc<Inner>, mut socket: WebSocket) {
    if *inner.seq.lock().unwrap() == 0 {
        let start = inner.event(r#""type":"start""#);
        let _gone = socket.send(Message::Text(start.into())).await;
    }
    loop {
        let play = {
            let mut position = inner.position.lock().unwrap();
            *position += 1;
            inner.plays.get(*position - 1).cloned()
        };
        let output = |name: &str, data: &[u8]| {
            inner.event(&format!(r#""type":"output","stream":"{name}","data":"{}""#, STANDARD.encode(data)))
        };
        let event = match play {
            None => std::future::pending().await,
            Some(Play::Drop) => return,
            Some(Play::Await(line)) => {
                while !inner.asked.lock().unwrap().iter().any(|asked| asked.starts_with(line)) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                continue;
            }
            Some(Play::Stdout(data)) => output("stdout", data),
            Some(Play::Stderr(data)) => output("stderr", data),
            Some(Play::Exit(code)) => {
                let code = code.map_or_else(|| "null".to_owned(), |code| code.to_string());
                inner.event(&format!(r#""type":"exit","exit_code":{code}"#))
            }
        };
        let _gone = socket.send(Message::Text(event.into())).await;
    }
}

impl Fake {
    pub(crate) fn start(plays: &[Play]) -> Self {
        Self::start_with(plays, |_, _| None)
    }

    pub(crate) fn start_with(
        plays: &[Play],
        instead: impl Fn(&str, usize) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner {
            plays: plays.to_vec(),
            position: Mutex::default(),
            seq: Mutex::default(),
            asked: Mutex::default(),
            instead: Box::new(instead),
        });
        let routes = Router::new()
            .route("/sandboxes/{id}/stream", get(stream))
            .fallback(any(answer))
            .layer(DefaultBodyLimit::disable())
            .with_state(inner.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    result = axum::serve(listener, routes).into_future() => result.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { inner, address, home: tempfile::tempdir().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The command, with this server, a home of its own and nothing else in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(self.home(), args);
        command.env("ATOLL_URL", self.url());
        command
    }

    /// Runs the command with an empty standard input.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs the command with this standard input.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Output {
        let mut child = self.spawn(args);
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_owned();
        let writer = std::thread::spawn(move || pipe.write_all(&stdin));
        let output = child.wait_with_output().unwrap();
        let _not_all_taken = writer.join().unwrap();
        output
    }

    /// Starts the command, all its streams piped.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What was asked, one line a request: method, path, body, token.
    pub(crate) fn asked(&self, part: &str) -> Vec<String> {
        self.inner.asked.lock().unwrap().iter().filter(|line| line.contains(part)).cloned().collect()
    }

    /// Waits until such a request was made.
    pub(crate) fn wait_for(&self, part: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.asked(part).is_empty() {
            assert!(Instant::now() < deadline, "nobody asked for {part}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

/// The command with a home of its own.
pub(crate) fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atoll"));
    command.args(args).env_clear().env("HOME", home).stdin(Stdio::null());
    command
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
}
