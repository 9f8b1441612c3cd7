//! What is noted of every request: in the metrics, and in the log of requests.
//!
//! Both name the route's pattern, never the path, the query or a header: those may hold what is secret. The log is handed to
//! whoever writes it over a queue with a bound; where nobody keeps up, lines are lost and counted, and no request waits.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atoll_types::{SandboxId, Timestamp, UserId};
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::access::{Authenticated, Peer};
use crate::answer::Trace;

const REQUESTS: &str = "http_requests_total";
const REQUEST_SECONDS: &str = "http_request_duration_seconds";
const LOST_LINES: &str = "http_request_log_lost_total";

/// Lines that wait to be written: what comes in while a disk hesitates for a tenth of a second, some 250 bytes each.
const LINES_WAITING_MAX: usize = 4_096;
/// Stands for paths that lead nowhere, of which there is no end.
const NO_ROUTE: &str = "none";

/// Describes what is counted.
pub fn describe_metrics() {
    describe_counter!(REQUESTS, "Requests that were answered.");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time from a request's head to the head of its answer."
    );
    describe_counter!(
        LOST_LINES,
        "Lines that are missing in the log of requests, since it could not be written fast enough."
    );
    counter!(LOST_LINES).increment(0);
}

/// Gives the metrics as Prometheus reads them.
type Page = dyn Fn() -> String + Send + Sync;

/// A request as whoever collects traces is told of it: never a path, a query, a header or a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSpan {
    /// Shown as `x-trace-id`.
    pub trace: u128,
    /// The span of the caller, where he named one.
    pub parent: Option<u64>,
    /// The method, `OTHER` where nobody has heard of it.
    pub method: &'static str,
    /// The pattern of the route, where there is one.
    pub route: Option<String>,
    /// Status of the answer.
    pub status: u16,
    /// Who asked, where he is known.
    pub user: Option<UserId>,
    /// The sandbox that the path names.
    pub sandbox: Option<SandboxId>,
    /// When the head of the request was there.
    pub begun: SystemTime,
    /// Until the head of the answer.
    pub took: Duration,
}

/// Takes spans. It is called for each request before it is answered, so it never waits.
pub trait SpanSink: Send + Sync + std::fmt::Debug {
    /// Takes one, or loses it.
    fn add(&self, span: RequestSpan);
}

/// What monitors are told, and where requests are noted. By default neither.
#[derive(Clone, Default)]
pub struct Observability {
    page: Option<Arc<Page>>,
    log: Option<RequestLog>,
    spans: Option<Arc<dyn SpanSink>>,
}

impl std::fmt::Debug for Observability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observability")
            .field("log", &self.log)
            .field("spans", &self.spans)
            .finish_non_exhaustive()
    }
}

impl Observability {
    /// With a page of metrics, and a log.
    #[must_use]
    pub fn new(page: Arc<Page>, log: Option<RequestLog>) -> Self {
        Self { page: Some(page), log, spans: None }
    }

    /// With a span for each request whose trace is recorded.
    #[must_use]
    pub fn traced(mut self, spans: Arc<dyn SpanSink>) -> Self {
        self.spans = Some(spans);
        self
    }

    pub(crate) fn page(&self) -> String {
        self.page.as_ref().map_or_else(String::new, |page| page())
    }

    /// Notes a request with its answer.
    pub(crate) fn note(&self, asked: &Asked, response: &Response, took: Duration) {
        let status = response.status();
        let labels = [
            ("method", method_label(&asked.method).to_owned()),
            ("path", asked.route().to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        counter!(REQUESTS, &labels).increment(1);
        histogram!(REQUEST_SECONDS, &labels).record(took.as_secs_f64());
        let user = response.extensions().get::<Authenticated>().map(|known| &known.0.user);
        if let Some(log) = &self.log {
            log.add(&Line::of(asked, status.as_u16(), user.map(UserId::as_str), took));
        }
        if let Some(spans) = self.spans.as_ref().filter(|_| asked.trace.is_sampled) {
            spans.add(asked.span(status.as_u16(), user.cloned(), took));
        }
    }
}

/// The label of a method: one that nobody has heard of is not told apart.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// What is known of a request before it is answered.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) trace: Trace,
    method: Method,
    route: Option<MatchedPath>,
    sandbox: Option<SandboxId>,
    peer: Option<Peer>,
}

impl Asked {
    pub(crate) fn of(request: &Request, trace: Trace) -> Self {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let sandbox = route.as_ref().and_then(|route| sandbox_of(route.as_str(), request.uri().path()));
        let peer = request.extensions().get::<Peer>().copied();
        Self { trace, method: request.method().clone(), route, sandbox, peer }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str)
    }

    fn span(&self, status: u16, user: Option<UserId>, took: Duration) -> RequestSpan {
        RequestSpan {
            trace: self.trace.id.number(),
            parent: self.trace.parent,
            method: method_label(&self.method),
            route: self.route.as_ref().map(|route| route.as_str().to_owned()),
            status,
            user,
            sandbox: self.sandbox.clone(),
            begun: SystemTime::now().checked_sub(took).unwrap_or(UNIX_EPOCH),
            took,
        }
    }
}

/// The sandbox that a path names, where it is one.
fn sandbox_of(route: &str, path: &str) -> Option<SandboxId> {
    let at = route
        .split('/')
        .zip(route.split('/').skip(1))
        .position(|(before, part)| before == "sandboxes" && part == "{id}")?;
    path.split('/').nth(at + 1)?.parse().ok()
}

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: &'static str,
    trace_id: &'a str,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox_id: Option<&'a str>,
    status: u16,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<std::net::IpAddr>,
}

impl<'a> Line<'a> {
    fn of(asked: &'a Asked, status: u16, user: Option<&'a str>, took: Duration) -> Self {
        Self {
            timestamp: now().to_rfc3339(),
            level: if status >= 500 { "ERROR" } else { "INFO" },
            message: "request",
            trace_id: asked.trace.id.as_str(),
            method: method_label(&asked.method),
            path: asked.route(),
            sandbox_id: asked.sandbox.as_ref().map(SandboxId::as_str),
            status,
            duration_ms: (took.as_secs_f64() * 1e6).round() / 1e3,
            user,
            address: asked.peer.map(|peer| peer.0),
        }
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// The way to the log of requests: lines of JSON, each with its end. A cheap clone.
#[derive(Debug, Clone)]
pub struct RequestLog(mpsc::Sender<Vec<u8>>);

impl RequestLog {
    /// A log, and its lines for whoever writes them.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (lines, written) = mpsc::channel(LINES_WAITING_MAX);
        (Self(lines), written)
    }

    fn add(&self, line: &Line<'_>) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        if self.0.try_send(text).is_err() {
            counter!(LOST_LINES).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_line_holds_nothing_of_the_query_or_the_headers() {
        let request = Request::builder().uri("/x?token=secret").header("authorization", "Bearer secret");
        let asked =
            Asked::of(&request.body(Body::empty()).unwrap(), Trace::of(&axum::http::HeaderMap::new()));
        let (log, mut lines) = RequestLog::new();
        Observability { log: Some(log), ..Observability::default() }.note(
            &asked,
            &Response::new(Body::empty()),
            Duration::from_micros(1_500),
        );
        let line = String::from_utf8(lines.try_recv().unwrap()).unwrap();
        assert!(line.ends_with("}\n") && !line.contains("secret"), "{line}");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["path"], &line["status"], &line["duration_ms"]),
            (&NO_ROUTE.into(), &200.into(), &1.5.into())
        );
    }

    #[derive(Debug, Default)]
    struct Taken(parking_lot::Mutex<Vec<RequestSpan>>);

    impl SpanSink for Taken {
        fn add(&self, span: RequestSpan) {
            self.0.lock().push(span);
        }
    }

    #[test]
    fn a_span_holds_nothing_of_the_query_and_is_left_out_where_the_caller_says_so() {
        let taken = Arc::new(Taken::default());
        let observed = Observability::default().traced(Arc::<Taken>::clone(&taken));
        for flags in ["01", "00"] {
            let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            let request =
                Request::builder().method("BREW").uri("/x?token=secret").header("traceparent", parent);
            let request = request.body(Body::empty()).unwrap();
            let asked = Asked::of(&request, Trace::of(request.headers()));
            observed.note(&asked, &Response::new(Body::empty()), Duration::from_micros(1_500));
        }
        let spans = taken.0.lock();
        assert_eq!(spans.len(), 1);
        assert_eq!(
            (spans[0].trace, spans[0].parent, spans[0].method, spans[0].status),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, Some(0x00f0_67aa_0ba9_02b7), "OTHER", 200)
        );
        assert!(!format!("{:?}", spans[0]).contains("secret"));
    }

    #[test]
    fn nobody_waits_for_a_log_that_is_not_written() {
        let (log, mut lines) = RequestLog::new();
        let asked = Asked::of(&Request::new(Body::empty()), Trace::of(&axum::http::HeaderMap::new()));
        for _ in 0..2 * LINES_WAITING_MAX {
            log.add(&Line::of(&asked, 200, None, Duration::ZERO));
        }
        assert_eq!(std::iter::from_fn(|| lines.try_recv().ok()).count(), LINES_WAITING_MAX);
    }

    #[test]
    fn a_sandbox_is_named_where_its_id_stands() {
        let id = SandboxId::random();
        let found = sandbox_of("/sandboxes/{id}/exec", &format!("/sandboxes/{id}/exec"));
        assert_eq!(found, Some(id.clone()));
        assert_eq!(sandbox_of("/ws/sandboxes/{id}/logs", &format!("/ws/sandboxes/{id}/logs")), Some(id));
        assert_eq!(sandbox_of("/sandboxes/{id}", "/sandboxes/%00secret"), None);
        assert_eq!(sandbox_of("/images/{*name}", "/images/sandboxes/x"), None);
    }
}
