//! What is noted of every request: in the metrics, and in the log of requests.
//!
//! Both name the route's pattern, never the path, the query or a header: those may hold what is secret. The log is handed to
//! whoever writes it over a queue with a bound; where nobody keeps up, lines are lost and counted, and no request waits.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atoll_types::{SandboxId, Timestamp};
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::access::{Authenticated, Peer};
use crate::answer::TraceId;

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

/// What monitors are told, and where requests are noted. By default neither.
#[derive(Clone, Default)]
pub struct Observability {
    page: Option<Arc<Page>>,
    log: Option<RequestLog>,
}

impl std::fmt::Debug for Observability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observability").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Observability {
    /// With a page of metrics, and a log.
    #[must_use]
    pub fn new(page: Arc<Page>, log: Option<RequestLog>) -> Self {
        Self { page: Some(page), log }
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
        if let Some(log) = &self.log {
            let user = response.extensions().get::<Authenticated>().map(|known| known.0.user.as_str());
            log.add(&Line::of(asked, status.as_u16(), user, took));
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
    trace: TraceId,
    method: Method,
    route: Option<MatchedPath>,
    sandbox: Option<SandboxId>,
    peer: Option<Peer>,
}

impl Asked {
    pub(crate) fn of(request: &Request, trace: TraceId) -> Self {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let sandbox = route.as_ref().and_then(|route| sandbox_of(route.as_str(), request.uri().path()));
        let peer = request.extensions().get::<Peer>().copied();
        Self { trace, method: request.method().clone(), route, sandbox, peer }
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str)
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
            trace_id: asked.trace.as_str(),
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
            Asked::of(&request.body(Body::empty()).unwrap(), TraceId::of(&axum::http::HeaderMap::new()));
        let (log, mut lines) = RequestLog::new();
        Observability { page: None, log: Some(log) }.note(
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

    #[test]
    fn nobody_waits_for_a_log_that_is_not_written() {
        let (log, mut lines) = RequestLog::new();
        let asked = Asked::of(&Request::new(Body::empty()), TraceId::of(&axum::http::HeaderMap::new()));
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
