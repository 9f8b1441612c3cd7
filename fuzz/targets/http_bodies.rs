//! Bodies and queries of requests, through the whole API on the real engine, with the kit's ports in memory. The first byte
//! chooses the route, the rest is its body, or its query where it takes none.
#![no_main]

mod kit;

use std::cell::RefCell;
use std::time::Duration;

use atoll_tasks::Tasks;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tower::ServiceExt as _;

/// A server is thrown away after so many requests, with what they have made.
const REQUESTS_MAX: usize = 500;
/// An answer that waits for a command is not waited for.
const PATIENCE: Duration = Duration::from_millis(20);
/// The first answer is waited for, on however slow a machine.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Method and path; `ID` is a sandbox that there is.
const ROUTES: [(&str, &str); 14] = [
    ("POST", "/sandboxes"),
    ("POST", "/sandboxes/ID/exec"),
    ("POST", "/sandboxes/ID/execs/exec-1/stdin"),
    ("POST", "/sandboxes/ID/execs/exec-1/signal"),
    ("POST", "/sandboxes/ID/keepalive"),
    ("POST", "/sandboxes/ID/stop"),
    ("POST", "/sandboxes/ID/start"),
    ("POST", "/auth/api-keys"),
    ("POST", "/auth/signup"),
    ("POST", "/auth/login"),
    ("GET", "/sandboxes?"),
    ("GET", "/sandboxes/ID/execs?"),
    ("GET", "/sandboxes/ID/logs?"),
    ("POST", "/images?"),
];

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
    let (route, bytes) = input;
    SERVER.with_borrow_mut(|server| {
        if server.as_ref().is_none_or(|server| server.left == 0) {
            *server = Some(Server::start());
        }
        if let Some(server) = server {
            server.left -= 1;
            server.ask(ROUTES[usize::from(route) % ROUTES.len()], bytes);
        }
    });
});

impl Server {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let tasks = Tasks::new();
        let (ready, is_ready) = watch::channel(true);
        let router = runtime.block_on(kit::api(&tasks, is_ready));
        let mut this = Self {
            runtime,
            router,
            sandbox: String::new(),
            left: REQUESTS_MAX,
            _tasks: tasks,
            _ready: ready,
        };
        let (status, made) =
            this.answer("POST", "/sandboxes", b"{}", START_PATIENCE).expect("a sandbox in time");
        this.sandbox = made["data"]["id"].as_str().unwrap_or_else(|| panic!("{status}: {made}")).to_owned();
        this
    }

    /// Whatever is asked, it is not the server's fault, and the answer is in the envelope.
    fn ask(&self, (method, path): (&str, &str), bytes: &[u8]) {
        let mut path = path.replace("ID", &self.sandbox);
        let is_query = path.ends_with('?');
        if is_query {
            path.push_str(&String::from_utf8_lossy(bytes));
        }
        let body = if is_query { b"" } else { bytes };
        let Some((status, answer)) = self.answer(method, &path, body, PATIENCE) else { return };
        assert!(status < 500 || status == 503, "{method} {path}: {status}: {answer}");
        assert_eq!(answer["success"].as_bool(), Some(status < 400), "{method} {path}: {status}: {answer}");
    }

    /// None where the path is none, or the answer waits.
    fn answer(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        patience: Duration,
    ) -> Option<(u16, serde_json::Value)> {
        // Without an account, the server listens to its own machine only.
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("content-type", "application/json");
        let request = request.body(Body::from(body.to_vec())).ok()?;
        let router = self.router.clone();
        self.runtime.block_on(async {
            let asked = async {
                let Ok(response) = router.oneshot(request).await;
                let status = response.status().as_u16();
                let bytes = response.into_body().collect().await.expect("a body").to_bytes();
                let answer = serde_json::from_slice(&bytes);
                (
                    status,
                    answer.unwrap_or_else(|_| panic!("{method} {path}: {status}: {bytes:?} is not JSON")),
                )
            };
            tokio::time::timeout(patience, asked).await.ok()
        })
    }
}
