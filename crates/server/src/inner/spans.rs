//! Spans of requests, to a collector of OpenTelemetry over HTTP.
//!
//! Requests put them into a queue with a bound. One task sends them, many at once. Where the collector is slow or away, spans are
//! lost and counted; no request waits, and nothing is held beyond the queue and one batch.

use std::borrow::Cow;
use std::time::Duration;

use atoll_http::{RequestSpan, SpanSink};
use atoll_tasks::CancellationToken;
use atoll_types::NodeId;
use metrics::{counter, describe_counter};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tokio::sync::mpsc;

const LOST: &str = "otlp_spans_lost_total";
/// Spans that wait to be sent, some 300 bytes each: a second of all requests that two cores answer.
const WAITING_MAX: usize = 8_192;
/// Spans that are sent at once, some 200 KiB.
const BATCH_MAX: usize = 512;
/// Time in which others may join a span that waits.
const LINGER: Duration = Duration::from_secs(1);
/// Time for one batch, repetitions included; what collectors answer takes milliseconds.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for what waits when serve stops; it has eight seconds for everything.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Why no span can be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpansError {
    #[error("otlpEndpoint cannot be used")]
    Exporter(#[from] ExporterBuildError),
    #[error("cannot make the client of otlpEndpoint")]
    Client(#[from] reqwest::Error),
}

/// Where requests put their spans.
#[derive(Debug)]
pub(super) struct SpanQueue(mpsc::Sender<RequestSpan>);

impl SpanSink for SpanQueue {
    fn add(&self, span: RequestSpan) {
        if self.0.try_send(span).is_err() {
            counter!(LOST).increment(1);
        }
    }
}

/// Sends what is in the queue.
#[derive(Debug)]
pub(super) struct SpanSender {
    exporter: SpanExporter,
    scope: InstrumentationScope,
    waiting: mpsc::Receiver<RequestSpan>,
    /// Whether the last batch was lost: it is told once, not for every batch.
    is_failing: bool,
}

/// A queue, and who sends what is in it to `endpoint`: the whole address of the collector for traces.
pub(super) fn spans(endpoint: &str, node: &NodeId) -> Result<(SpanQueue, SpanSender), SpansError> {
    describe_counter!(LOST, "Spans of requests that did not reach the collector.");
    counter!(LOST).increment(0);
    let mut client =
        reqwest::Client::builder().timeout(SEND_TIMEOUT).redirect(reqwest::redirect::Policy::none());
    if !endpoint.starts_with("https:") {
        // A system without certificates has no others to offer, and none are needed.
        client = client.tls_certs_only([]);
    }
    let client = client.build()?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(SEND_TIMEOUT)
        .build()?;
    let resource = Resource::builder_empty().with_service_name("atoll").with_attributes([
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", node.to_string()),
    ]);
    exporter.set_resource(&resource.build());
    let (queue, waiting) = mpsc::channel(WAITING_MAX);
    let scope = InstrumentationScope::builder("atoll").with_version(env!("CARGO_PKG_VERSION")).build();
    Ok((SpanQueue(queue), SpanSender { exporter, scope, waiting, is_failing: false }))
}

impl SpanSender {
    /// Sends until it is asked to stop, and then what waits still, for a bounded time.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(FLUSH_TIMEOUT).await;
        };
        let sent = async {
            while let Some(batch) = self.next_batch(&stop).await {
                self.send(batch).await;
            }
        };
        // At the end of the bound what is not sent is lost with the process.
        tokio::select! {
            () = sent => {}
            () = late => tracing::warn!("the collector of spans did not take the last ones in time"),
        }
    }

    /// What waits, once there is something; nothing at the end.
    async fn next_batch(&mut self, stop: &CancellationToken) -> Option<Vec<RequestSpan>> {
        let mut batch = Vec::new();
        // Cancel safe: what is not taken stays in the queue.
        tokio::select! {
            biased;
            taken = self.waiting.recv_many(&mut batch, BATCH_MAX) => if taken == 0 { return None },
            () = stop.cancelled() => return None,
        }
        let fill = async {
            while batch.len() < BATCH_MAX {
                let room = BATCH_MAX - batch.len();
                if self.waiting.recv_many(&mut batch, room).await == 0 {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = fill => {}
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LINGER) => {}
        }
        Some(batch)
    }

    async fn send(&mut self, batch: Vec<RequestSpan>) {
        let count = batch.len();
        let batch = batch.into_iter().filter_map(|span| self.data(span)).collect();
        let sending = tokio::time::timeout(SEND_TIMEOUT, self.exporter.export(batch));
        let failure = match sending.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_late) => Some(format!("no answer within {} s", SEND_TIMEOUT.as_secs())),
        };
        if failure.is_some() {
            counter!(LOST).increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
        if let Some(failure) = failure.as_ref().filter(|_| !self.is_failing) {
            tracing::warn!("the collector of spans cannot be reached, and spans are lost: {failure}");
        }
        self.is_failing = failure.is_some();
    }

    /// As collectors want it. Without the kernel's generator there is no id, and no span.
    fn data(&self, span: RequestSpan) -> Option<SpanData> {
        let id = getrandom::u64().ok().filter(|id| *id != 0)?;
        let context = SpanContext::new(
            TraceId::from(span.trace),
            SpanId::from(id),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        );
        Some(SpanData {
            span_context: context,
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: span.parent.is_some(),
            span_kind: SpanKind::Server,
            name: name(&span),
            start_time: span.begun,
            end_time: span.begun + span.took,
            attributes: attributes(&span),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if span.status >= 500 { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        })
    }
}

fn name(span: &RequestSpan) -> Cow<'static, str> {
    span.route.as_ref().map_or(Cow::Borrowed(span.method), |route| format!("{} {route}", span.method).into())
}

/// By the names that OpenTelemetry has for them, where it has one.
fn attributes(span: &RequestSpan) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("http.request.method", span.method),
        KeyValue::new("http.response.status_code", i64::from(span.status)),
    ];
    let texts = [
        ("http.route", span.route.clone()),
        ("user.id", span.user.as_ref().map(ToString::to_string)),
        ("atoll.sandbox.id", span.sandbox.as_ref().map(ToString::to_string)),
    ];
    attributes.extend(texts.into_iter().filter_map(|(name, text)| Some(KeyValue::new(name, text?))));
    attributes
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, UNIX_EPOCH};

    use axum::http::{HeaderMap, StatusCode};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;
    use tokio::net::TcpListener;

    use super::*;

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

    fn span(trace: u128) -> RequestSpan {
        RequestSpan {
            trace,
            parent: Some(7),
            method: "GET",
            route: Some("/sandboxes/{id}".to_owned()),
            status: 503,
            user: Some(atoll_types::UserId::random()),
            sandbox: None,
            begun: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            took: Duration::from_millis(3),
        }
    }

    /// A small collector: what it was sent, decoded.
    async fn collector(status: StatusCode) -> (String, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
        let (sent, taken) = mpsc::unbounded_channel();
        let take = move |headers: HeaderMap, body: bytes::Bytes| async move {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            sent.send(ExportTraceServiceRequest::decode(body).unwrap()).unwrap();
            status
        };
        let router = axum::Router::new().route("/v1/traces", axum::routing::post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        tokio::spawn(IntoFuture::into_future(axum::serve(listener, router)));
        (endpoint, taken)
    }

    fn texts(span: &Span) -> Vec<(&str, String)> {
        let text = |value: &Value| match value {
            Value::StringValue(text) => text.clone(),
            other => format!("{other:?}"),
        };
        let value = |value: &opentelemetry_proto::tonic::common::v1::KeyValue| {
            text(value.value.as_ref().unwrap().value.as_ref().unwrap())
        };
        span.attributes.iter().map(|pair| (pair.key.as_str(), value(pair))).collect()
    }

    #[tokio::test]
    async fn a_stop_sends_what_waits() {
        let (endpoint, mut taken) = collector(StatusCode::OK).await;
        let (queue, sender) = spans(&endpoint, &NodeId::random()).unwrap();
        let asked = span(TRACE);
        let user = asked.user.as_ref().unwrap().to_string();
        queue.add(asked);
        for n in 0..BATCH_MAX {
            queue.add(span(n as u128 + 1));
        }
        let stop = CancellationToken::new();
        stop.cancel();
        sender.run(stop).await;
        let first = taken.recv().await.unwrap();
        let resource = &first.resource_spans[0];
        assert_eq!(resource.resource.as_ref().unwrap().attributes.len(), 3);
        let spans = &resource.scope_spans[0].spans;
        assert_eq!(spans.len(), BATCH_MAX);
        let span = &spans[0];
        assert_eq!(
            (span.trace_id.as_slice(), span.name.as_str()),
            (&TRACE.to_be_bytes()[..], "GET /sandboxes/{id}")
        );
        assert_eq!((span.parent_span_id.as_slice(), span.kind), (&7_u64.to_be_bytes()[..], 2));
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 3_000_000);
        assert_eq!(span.status.as_ref().unwrap().code, 2);
        let texts = texts(span);
        assert!(
            texts.contains(&("user.id", user))
                && texts.contains(&("http.route", "/sandboxes/{id}".to_owned()))
        );
        assert_ne!(spans[0].span_id, spans[1].span_id);
        assert_eq!(taken.recv().await.unwrap().resource_spans[0].scope_spans[0].spans.len(), 1);
    }

    #[tokio::test]
    async fn a_collector_that_is_away_slows_nobody_and_holds_up_no_stop() {
        // It takes connections, and never answers.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let (queue, sender) = spans(&endpoint, &NodeId::random()).unwrap();
        let stop = CancellationToken::new();
        let run = sender.run(stop.clone());
        tokio::pin!(run);
        let begun = Instant::now();
        let added = async {
            for n in 0..4 * WAITING_MAX {
                queue.add(span(n as u128 + 1));
            }
            assert_eq!(queue.0.capacity(), 0);
            stop.cancel();
        };
        // Nothing is awaited while spans are added: the queue alone takes what it can.
        added.await;
        run.await;
        assert!(begun.elapsed() >= FLUSH_TIMEOUT, "it tried");
    }

    #[tokio::test]
    async fn a_batch_that_is_refused_is_lost_and_the_next_is_sent() {
        let (endpoint, mut taken) = collector(StatusCode::BAD_REQUEST).await;
        let (_queue, mut sender) = spans(&endpoint, &NodeId::random()).unwrap();
        sender.send(vec![span(1)]).await;
        assert!(sender.is_failing && taken.recv().await.is_some());
        let (endpoint, mut taken) = collector(StatusCode::OK).await;
        let (_queue, mut other) = spans(&endpoint, &NodeId::random()).unwrap();
        other.is_failing = true;
        other.send(vec![span(2)]).await;
        assert!(!other.is_failing && taken.recv().await.is_some());
    }
}
