//! `WS /ws/sandboxes/{id}/logs`

use std::collections::BTreeMap;
use std::sync::Arc;

use atoll_api_types::LogLine;
use atoll_engine::{LogLines, LogQuery};
use atoll_types::{ErrorCode, SandboxId};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::StreamExt;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::logs::{line_view, log_query};
use crate::Api;
use crate::access::{Held, token_protocol, while_allowed};
use crate::answer::{ApiFailure, TraceId};
use crate::bounds::{LOG_LINES_MAX, STREAM_MESSAGE_BYTES_MAX, STREAM_PING_INTERVAL, STREAM_SILENCE_MAX};
use crate::extract::{Path, Query, SandboxPath};
use crate::socket::{CLOSE_DONE, CLOSE_FAILURE, CLOSE_GOING_AWAY, Cut, close, flush, push, send};

/// Which lines.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FollowQuery {
    /// The last so many of the lines that are there, 1 to 10,000; with `after_seq`, 10,000 when absent.
    #[param(default = 1000, minimum = 1, maximum = 10_000)]
    tail: Option<u32>,
    /// Only lines from this moment on: a time in RFC 3339, or a duration such as `90s`, `15m` or `2h` back from now.
    #[param(example = "15m")]
    since: Option<String>,
    /// Only lines that ended after the event of this number: for a client that was cut off.
    after_seq: Option<u64>,
    /// The token, for clients that cannot set headers. It is never logged.
    #[serde(rename = "token")]
    #[param(value_type = Option<String>)]
    _token: Option<String>,
}

/// A connection that becomes a WebSocket.
#[derive(Debug)]
pub(crate) struct Upgraded(Response);

/// Follow what the sandbox's main process writes (WebSocket).
///
/// Every message is one line, first of those that are there, then of those that come. After the last line of a process that has
/// ended the connection is closed with 1000. `seq` of a line is the number of the event that ended it; several lines may have
/// the same. A client that was cut off asks with `after_seq` one less than the last it has, and leaves out what it has seen. What
/// goes wrong is told by the failure envelope as a message, and the close code 4000 plus its HTTP status. 1001 means that Atoll
/// is being restarted: connect again.
#[utoipa::path(get, path = "/ws/sandboxes/{id}/logs", tag = "sandboxes", params(SandboxPath, FollowQuery))]
pub(crate) async fn follow_sandbox_logs(
    State(api): State<Api>,
    held: Held,
    Path(path): Path<SandboxPath>,
    Query(query): Query<FollowQuery>,
    Extension(trace): Extension<TraceId>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Upgraded, ApiFailure> {
    let refused =
        |_| ApiFailure::new(ErrorCode::InvalidRequest, "this route is a WebSocket: connect to it with ws://");
    let upgrade = upgrade.map_err(refused)?;
    // Who comes again wants all that he missed.
    let tail = query.tail.or_else(|| query.after_seq.map(|_| LOG_LINES_MAX));
    let lines = LogQuery { after_seq: query.after_seq, ..log_query(tail, query.since)? };
    let permit = Arc::clone(api.streams()).try_acquire_owned();
    let permit = permit
        .map_err(|_| ApiFailure::new(ErrorCode::RateLimited, "too many streams at once; close some"))?;
    let follow = Follow { api, held, sandbox: path.id, lines, trace, permit };
    let upgrade = upgrade.max_message_size(STREAM_MESSAGE_BYTES_MAX).protocols(token_protocol(&headers));
    Ok(Upgraded(upgrade.on_upgrade(move |socket| follow.run(socket))))
}

/// What is followed, and for whom.
struct Follow {
    api: Api,
    held: Held,
    sandbox: SandboxId,
    lines: LogQuery,
    trace: TraceId,
    /// Given back when the client has gone.
    permit: OwnedSemaphorePermit,
}

/// How it ended.
enum End {
    /// The process has ended, and its last line was sent.
    Done,
    /// Atoll is stopping.
    Stopping,
    /// The client went, or takes nothing any more.
    Gone,
}

/// What happened next.
enum Next {
    Line(Option<Result<atoll_engine::LogLineView, atoll_engine::EngineError>>),
    Message(Option<Result<Message, axum::Error>>),
    Ping,
    Stopping,
}

impl Follow {
    async fn run(self, mut socket: WebSocket) {
        let ended = while_allowed(&self.api, &self.held, self.pump(&mut socket)).await;
        let (code, reason) = match ended {
            Ok(End::Done) => (CLOSE_DONE, "ended"),
            Ok(End::Stopping) => (CLOSE_GOING_AWAY, "Atoll is stopping; connect again with after_seq"),
            Ok(End::Gone) | Err(Cut::Gone) => return,
            Err(Cut::Failed(failure)) => {
                let sent = send(&mut socket, &failure.body(&self.trace)).await;
                if sent.is_err() || flush(&mut socket).await.is_err() {
                    return;
                }
                (CLOSE_FAILURE + failure.status().as_u16(), failure.code().as_str())
            }
        };
        close(&mut socket, code, reason).await;
        drop(self.permit);
    }

    async fn pump(&self, socket: &mut WebSocket) -> Result<End, Cut> {
        let engine = self.api.engine();
        let mut lines =
            engine.sandbox_log_lines(&self.held.caller, &self.sandbox, self.lines.clone()).await?;
        let mut pings = interval_at(Instant::now() + STREAM_PING_INTERVAL, STREAM_PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            // Every arm only waits, and takes nothing unless it is chosen.
            let next = tokio::select! {
                line = lines.next() => Next::Line(line),
                message = socket.recv() => Next::Message(message),
                _ = pings.tick() => Next::Ping,
                () = self.api.settings().stopping.cancelled() => Next::Stopping,
            };
            match next {
                Next::Line(Some(line)) => {
                    let ended = send_ready(socket, &mut lines, line?).await?;
                    heard = Instant::now();
                    if ended {
                        return Ok(End::Done);
                    }
                }
                Next::Line(None) => return Ok(End::Done),
                Next::Message(Some(Ok(Message::Close(_)) | Err(_)) | None) => return Ok(End::Gone),
                // A client has nothing to say here; that it says anything shows that it lives.
                Next::Message(Some(Ok(_))) => heard = Instant::now(),
                Next::Ping if heard.elapsed() > STREAM_SILENCE_MAX => return Ok(End::Gone),
                Next::Ping => push(socket, Message::Ping(bytes::Bytes::new())).await?,
                Next::Stopping => return Ok(End::Stopping),
            }
        }
    }
}

/// Sends a line and all that are there already, then flushes once. Whether it was the last.
async fn send_ready(
    socket: &mut WebSocket,
    lines: &mut LogLines,
    first: atoll_engine::LogLineView,
) -> Result<bool, Cut> {
    let mut line = first;
    loop {
        send(socket, &line_view(line)).await?;
        // Polled once: a stream that has nothing yet is polled again by the caller, who waits.
        match lines.next().now_or_never() {
            Some(Some(next)) => line = next?,
            ready => {
                flush(socket).await?;
                return Ok(ready.is_some());
            }
        }
    }
}

impl IntoResponse for Upgraded {
    fn into_response(self) -> Response {
        self.0
    }
}

impl IntoResponses for Upgraded {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let line = ContentBuilder::new().schema(Some(Ref::from_schema_name(LogLine::name()))).build();
        let switched = ResponseBuilder::new()
            .description("The connection becomes a WebSocket; each message is one such line.")
            .content("application/json", line);
        ResponsesBuilder::new().response("101", switched).build().into()
    }
}
