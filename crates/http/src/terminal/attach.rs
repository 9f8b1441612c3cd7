//! `WS /sandboxes/{id}/terminal` and `WS /ws/sandboxes/{id}/terminal`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atoll_api_types::{TERMINAL_PROTOCOL, TerminalCommand, TerminalControl};
use atoll_engine::{NewTerminal, Resume};
use atoll_ports::AuditScope;
use atoll_types::{ErrorCode, SandboxId, TerminalKind, TerminalName, TerminalSize};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder, schema::OneOfBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::framing::Framing;
use super::relay::Relay;
use crate::Api;
use crate::access::{Held, token_protocol};
use crate::answer::{ApiFailure, TraceId};
use crate::bounds::{TERMINAL_LINGER_SECONDS_MAX, TERMINAL_MESSAGE_BYTES_MAX};
use crate::extract::{Path, Problems, Query, SandboxPath};

/// Which terminal, and how it is made where there is none.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TerminalQuery {
    /// Name of the terminal: everybody who gives the same name is at the same one.
    #[param(default = "main")]
    terminal: Option<String>,
    /// Columns of the client's window; the terminal takes its size.
    #[param(default = 80, minimum = 1, maximum = 1000)]
    cols: Option<u32>,
    /// Rows of the client's window.
    #[param(default = 24, minimum = 1, maximum = 1000)]
    rows: Option<u32>,
    /// As whom the shell of a new terminal runs; the sandbox's user when absent.
    user: Option<String>,
    /// Where it starts; the user's home when absent.
    cwd: Option<String>,
    /// Kind of terminal that programs are told (`TERM`).
    #[param(default = "xterm-256color")]
    term: Option<String>,
    /// Seconds that a new terminal outlives its last client; without it, it stays until its shell ends.
    #[param(minimum = 1, maximum = 604800)]
    linger: Option<u64>,
    /// Of a client that was cut off: which terminal it was at. Then no other is made or shown.
    generation: Option<u64>,
    /// Of a client that was cut off: the number of the first byte that it has not seen.
    after: Option<u64>,
    /// The token, for clients that cannot set headers. It is never logged.
    #[serde(rename = "token")]
    #[param(value_type = Option<String>)]
    _token: Option<String>,
}

impl TerminalQuery {
    /// The usual terminal of the sandbox's user, with columns and rows, a kind, and where an earlier look ended.
    pub(crate) fn plain(
        (cols, rows): (Option<u32>, Option<u32>),
        term: Option<String>,
        (generation, after): (Option<u64>, Option<u64>),
    ) -> Self {
        let (terminal, user, cwd, linger, _token) = (None, None, None, None, None);
        Self { terminal, cols, rows, user, cwd, term, linger, generation, after, _token }
    }

    pub(crate) fn checked(self) -> Result<NewTerminal, ApiFailure> {
        let mut problems = Problems::default();
        let name = problems.parse("query.terminal", self.terminal);
        let user = problems.parse("query.user", self.user);
        let cwd = problems.parse("query.cwd", self.cwd);
        let kind: Option<TerminalKind> = problems.parse("query.term", self.term);
        let linger = problems.within("query.linger", self.linger, &(1..=TERMINAL_LINGER_SECONDS_MAX));
        let usual = TerminalSize::default();
        let size = (self.cols.is_some() || self.rows.is_some()).then(|| {
            let (cols, rows) = (
                self.cols.unwrap_or_else(|| usual.cols().into()),
                self.rows.unwrap_or_else(|| usual.rows().into()),
            );
            TerminalSize::new(cols, rows).map_err(|error| {
                problems.add(&format!("query.{}", error.what), format!("must be {}", error.expected))
            })
        });
        let resume = match (self.generation, self.after) {
            (Some(generation), Some(offset)) => Some(Resume { generation, offset }),
            (None, None) => None,
            _ => {
                problems.add("query.after", "must be given together with generation");
                None
            }
        };
        problems.finish(Some(NewTerminal {
            name: name.unwrap_or_else(TerminalName::main),
            size: size.and_then(Result::ok),
            resume,
            user,
            cwd,
            kind: kind.unwrap_or_default(),
            linger: linger.map(Duration::from_secs),
        }))
    }
}

/// A connection that becomes the WebSocket of a terminal.
#[derive(Debug)]
pub(crate) struct TerminalUpgrade(Response);

/// Open a terminal (WebSocket).
///
/// A login shell on a pseudo-terminal in the sandbox. The terminal stays when the connection ends: whoever connects with
/// its name is shown what it showed last (256 KiB) and goes on. Several clients may be at one.
///
/// Without a subprotocol, every text or binary message is input and every binary message is output; the size is told by
/// the query and by `POST …/terminal/resize`. With the subprotocol `atoll.terminal.v1` messages are binary and begin with
/// a byte that names the channel: 0 input, 1 output, 2 control, which is JSON. The server's first message is then
/// `attached`; count the bytes of output from its `offset` on, and come back with `generation` and `after` when the
/// connection is lost.
///
/// When the shell ends, the connection is closed with 1000 and the reason `exited N`. 1001 means that Atoll is being
/// restarted: connect again. Failures are told (as text, or as control), then close with 4000 plus their HTTP status.
#[utoipa::path(get, path = "/sandboxes/{id}/terminal", tag = "terminals", params(SandboxPath, TerminalQuery))]
pub(crate) async fn open_terminal(
    State(api): State<Api>,
    held: Held,
    Path(path): Path<SandboxPath>,
    Query(query): Query<TerminalQuery>,
    Extension(trace): Extension<TraceId>,
    place: Place,
) -> Result<TerminalUpgrade, ApiFailure> {
    upgrade(api, held, path, query, trace, place)
}

/// Open a terminal (WebSocket); the same as `/sandboxes/{id}/terminal`.
#[utoipa::path(
    get,
    path = "/ws/sandboxes/{id}/terminal",
    tag = "terminals",
    params(SandboxPath, TerminalQuery)
)]
pub(crate) async fn open_terminal_ws(
    State(api): State<Api>,
    held: Held,
    Path(path): Path<SandboxPath>,
    Query(query): Query<TerminalQuery>,
    Extension(trace): Extension<TraceId>,
    place: Place,
) -> Result<TerminalUpgrade, ApiFailure> {
    upgrade(api, held, path, query, trace, place)
}

/// The request as one that becomes a WebSocket.
#[derive(Debug)]
pub(crate) struct Place {
    headers: HeaderMap,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
}

impl axum::extract::FromRequestParts<Api> for Place {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        api: &Api,
    ) -> Result<Self, Self::Rejection> {
        let (headers, uri) = (parts.headers.clone(), parts.uri.clone());
        Ok(Self { headers, uri, upgrade: WebSocketUpgrade::from_request_parts(parts, api).await })
    }
}

/// Who looks at which terminal.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) held: Held,
    pub(crate) sandbox: SandboxId,
    pub(crate) new: NewTerminal,
    pub(crate) trace: TraceId,
    pub(crate) permit: OwnedSemaphorePermit,
    /// Whether it is a public session, whose commands are counted.
    pub(crate) is_session: bool,
}

impl Place {
    /// What tells where a page is from.
    pub(crate) fn origin(&self) -> (&HeaderMap, &Uri) {
        (&self.headers, &self.uri)
    }

    /// Makes it the WebSocket of a viewer.
    pub(crate) fn open(self, api: Api, viewer: Viewer) -> Result<TerminalUpgrade, ApiFailure> {
        let refused = |_| {
            ApiFailure::new(ErrorCode::InvalidRequest, "this route is a WebSocket: connect to it with ws://")
        };
        let upgrade = self.upgrade.map_err(refused)?;
        let known = std::iter::once(TERMINAL_PROTOCOL.to_owned()).chain(token_protocol(&self.headers));
        let upgrade = upgrade.max_message_size(TERMINAL_MESSAGE_BYTES_MAX).protocols(known);
        let chosen = upgrade.selected_protocol().and_then(|protocol| protocol.to_str().ok());
        let relay = Relay { api, framing: Framing::of(chosen), viewer };
        // Whether it comes to a terminal is known only then.
        let scope = AuditScope::current();
        let run = async move |socket| match scope {
            Some(scope) => scope.run(relay.run(socket)).await,
            None => relay.run(socket).await,
        };
        Ok(TerminalUpgrade(upgrade.on_upgrade(run)))
    }
}

fn upgrade(
    api: Api,
    held: Held,
    path: SandboxPath,
    query: TerminalQuery,
    trace: TraceId,
    place: Place,
) -> Result<TerminalUpgrade, ApiFailure> {
    // Browsers let any page connect anywhere, and say where the page is from.
    if place.upgrade.is_ok() && !api.settings().access.protection.welcomes(&place.headers, &place.uri) {
        let text = "a page of another site may not open a terminal";
        return Err(ApiFailure::new(ErrorCode::Forbidden, text));
    }
    let new = query.checked()?;
    let permit = Arc::clone(api.streams()).try_acquire_owned();
    let permit = permit
        .map_err(|_| ApiFailure::new(ErrorCode::RateLimited, "too many streams at once; close some"))?;
    place.open(api, Viewer { held, sandbox: path.id, new, trace, permit, is_session: false })
}

impl IntoResponse for TerminalUpgrade {
    fn into_response(self) -> Response {
        self.0
    }
}

impl IntoResponses for TerminalUpgrade {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let controls = OneOfBuilder::new()
            .item(Ref::from_schema_name(TerminalControl::name()))
            .item(Ref::from_schema_name(TerminalCommand::name()));
        let control = ContentBuilder::new().schema(Some(RefOr::T(controls.build().into()))).build();
        let switched = ResponseBuilder::new()
            .description("The connection becomes a WebSocket; these are the messages of its control channel.")
            .content("application/json", control);
        ResponsesBuilder::new().response("101", switched).build().into()
    }
}
