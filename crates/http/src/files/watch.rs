//! `WS /sandboxes/{id}/watch`

use std::collections::BTreeMap;
use std::sync::Arc;

use atoll_api_types::FileEvent;
use atoll_engine::EngineError;
use atoll_ports::{FileEvents, FilesError};
use atoll_types::{ErrorCode, FilePath, GuestUser, SandboxId};
use axum::Extension;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::StreamExt;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::at::{path_of_query, user};
use super::view;
use crate::Api;
use crate::access::{Held, token_protocol, while_allowed};
use crate::answer::{ApiFailure, TraceId};
use crate::bounds::{STREAM_MESSAGE_BYTES_MAX, STREAM_PING_INTERVAL, STREAM_SILENCE_MAX};
use crate::extract::{Path, Query, SandboxPath};
use crate::socket::{CLOSE_DONE, CLOSE_FAILURE, CLOSE_GOING_AWAY, Cut, close, flush, push, send};

/// What is watched.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WatchQuery {
    /// Path of the file or directory, absolute or from the home of the user; the home when absent.
    #[serde(rename = "path")]
    #[param(rename = "path", value_type = Option<String>, example = "project")]
    _path: Option<String>,
    /// Directories below, too; 4,096 at most.
    #[param(default = false)]
    recursive: Option<bool>,
    /// User of the sandbox whose rights and home count; the one of its execs when absent.
    user: Option<String>,
    /// The token, for clients that cannot set headers. It is never logged.
    #[serde(rename = "token")]
    #[param(rename = "token", value_type = Option<String>)]
    _token: Option<String>,
}

/// A connection that becomes a WebSocket.
#[derive(Debug)]
pub(crate) struct Watching(Response);

/// Watch a file or a directory (WebSocket).
///
/// Every message is one event; the first is `ready`. A client that is slow loses events, and is told by `overflow`. After
/// `gone` the connection is closed with 1000. What goes wrong is told by the failure envelope as a message, and the close
/// code 4000 plus its HTTP status.
#[utoipa::path(get, path = "/sandboxes/{id}/watch", tag = "files", params(SandboxPath, WatchQuery))]
#[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
pub(crate) async fn watch_files(
    State(api): State<Api>,
    held: Held,
    Path(sandbox): Path<SandboxPath>,
    Query(query): Query<WatchQuery>,
    RawQuery(raw): RawQuery,
    Extension(trace): Extension<TraceId>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Watching, ApiFailure> {
    let refused =
        |_| ApiFailure::new(ErrorCode::InvalidRequest, "this route is a WebSocket: connect to it with ws://");
    let upgrade = upgrade.map_err(refused)?;
    let path = path_of_query(raw.as_deref())?.unwrap_or_else(FilePath::home);
    let permit = Arc::clone(api.streams()).try_acquire_owned();
    let permit = permit
        .map_err(|_| ApiFailure::new(ErrorCode::RateLimited, "too many streams at once; close some"))?;
    let (user, recursive) = (user(query.user)?, query.recursive.unwrap_or_default());
    let watch = Watch { api, held, sandbox: sandbox.id, user, path, recursive, trace, permit };
    let upgrade = upgrade.max_message_size(STREAM_MESSAGE_BYTES_MAX).protocols(token_protocol(&headers));
    Ok(Watching(upgrade.on_upgrade(move |socket| watch.run(socket))))
}

/// One client that watches.
struct Watch {
    api: Api,
    held: Held,
    sandbox: SandboxId,
    user: Option<GuestUser>,
    path: FilePath,
    recursive: bool,
    trace: TraceId,
    /// Given back when the client has gone.
    permit: OwnedSemaphorePermit,
}

/// What happened next.
enum Next {
    Events(Option<Result<Vec<atoll_ports::FileEvent>, FilesError>>),
    Message(Option<Result<Message, axum::Error>>),
    Ping,
    Stopping,
}

impl Watch {
    async fn run(self, mut socket: WebSocket) {
        let ended = while_allowed(&self.api, &self.held, self.pump(&mut socket)).await;
        let (code, reason) = match ended {
            Ok(end) => end,
            Err(Cut::Gone) => return,
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

    /// Looks only now: browsers are told nothing of a refusal before the connection is a WebSocket.
    async fn open(&self) -> Result<FileEvents, EngineError> {
        let (user, path) = (self.user.clone(), self.path.clone());
        self.api
            .engine()
            .files(&self.held.caller, &self.sandbox, user, path, true)?
            .watch(self.recursive)
            .await
    }

    /// Sends events until there are no more; answers how it is closed.
    async fn pump(&self, socket: &mut WebSocket) -> Result<(u16, &'static str), Cut> {
        let mut events = self.open().await?;
        let mut pings = interval_at(Instant::now() + STREAM_PING_INTERVAL, STREAM_PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            // Every arm only waits, and takes nothing unless it is chosen.
            let next = tokio::select! {
                events = events.next() => Next::Events(events),
                message = socket.recv() => Next::Message(message),
                _ = pings.tick() => Next::Ping,
                () = self.api.settings().stopping.cancelled() => Next::Stopping,
            };
            match next {
                Next::Events(Some(Ok(events))) => {
                    for event in &events {
                        send(socket, &view::event(event)).await?;
                    }
                    flush(socket).await?;
                }
                Next::Events(Some(Err(error))) => return Err(EngineError::from(error).into()),
                Next::Events(None) => return Ok((CLOSE_DONE, "gone")),
                Next::Message(Some(Ok(Message::Close(_)) | Err(_)) | None) => return Err(Cut::Gone),
                // A client has nothing to say here; that it says anything shows that it lives.
                Next::Message(Some(Ok(_))) => heard = Instant::now(),
                Next::Ping if heard.elapsed() > STREAM_SILENCE_MAX => return Err(Cut::Gone),
                Next::Ping => push(socket, Message::Ping(bytes::Bytes::new())).await?,
                Next::Stopping => return Ok((CLOSE_GOING_AWAY, "Atoll is stopping; connect again")),
            }
        }
    }
}

impl IntoResponse for Watching {
    fn into_response(self) -> Response {
        self.0
    }
}

impl IntoResponses for Watching {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let event = ContentBuilder::new().schema(Some(Ref::from_schema_name(FileEvent::name()))).build();
        let switched = ResponseBuilder::new()
            .description("The connection becomes a WebSocket; each message is one such event.")
            .content("application/json", event);
        ResponsesBuilder::new().response("101", switched).build().into()
    }
}
