//! `WS /sessions/{id}`

use atoll_engine::Means;
use atoll_types::{ErrorCode, SandboxId};
use axum::Extension;
use axum::extract::State;
use serde::Deserialize;

use crate::Api;
use crate::access::Held;
use crate::answer::{ApiFailure, TraceId};
use crate::extract::{Path, PublicSessionPath, Query};
use crate::terminal::attach::{Place, TerminalQuery, TerminalUpgrade, Viewer};

/// How the page shows the terminal.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionTerminalQuery {
    /// Columns of the page's terminal.
    #[param(default = 80, minimum = 1, maximum = 1000)]
    cols: Option<u32>,
    /// Rows of the page's terminal.
    #[param(default = 24, minimum = 1, maximum = 1000)]
    rows: Option<u32>,
    /// Kind of terminal that programs are told (`TERM`).
    #[param(default = "xterm-256color")]
    term: Option<String>,
    /// Of a page that was cut off: which terminal it was at. Then no other is made or shown.
    generation: Option<u64>,
    /// Of a page that was cut off: the number of the first byte that it has not seen.
    after: Option<u64>,
}

/// Open the terminal of a public session (WebSocket).
///
/// The messages are those of `/sandboxes/{id}/terminal`: without a subprotocol, what is sent is typed and binary messages are
/// output; with `atoll.terminal.v1` the first byte is the channel. A line that is entered is a command; one that comes too soon is
/// not typed to its end, which is told (as output, or as `limited`), and may be entered later. When the session is over, the
/// connection is closed with 4404 and the reason `session_not_found`.
#[utoipa::path(
    get,
    path = "/sessions/{id}",
    tag = "sessions",
    params(PublicSessionPath, SessionTerminalQuery)
)]
pub(crate) async fn open_public_session(
    State(api): State<Api>,
    Path(path): Path<PublicSessionPath>,
    Query(query): Query<SessionTerminalQuery>,
    Extension(trace): Extension<TraceId>,
    place: Place,
) -> Result<TerminalUpgrade, ApiFailure> {
    let sessions = api.enabled_sessions()?;
    let (headers, uri) = place.origin();
    sessions.check_origin(headers, uri)?;
    let sandbox = sessions.sandbox(&path.id)?;
    let caller = api.engine().public_session(&sandbox)?;
    let SessionTerminalQuery { cols, rows, term, generation, after } = query;
    let new = TerminalQuery::plain((cols, rows), term, (generation, after)).checked()?;
    let permit = sessions.stream()?;
    let held = Held { caller, means: Means::Nothing };
    let viewer = Viewer { held, sandbox, new, trace, permit, is_session: true };
    place.open(api.clone(), viewer)
}

/// What the failure of a session's connection is called: where its sandbox goes, the session is over, whatever was seen first.
pub(crate) fn session_failure(api: &Api, sandbox: &SandboxId, failure: ApiFailure) -> ApiFailure {
    let is_down = matches!(
        failure.code(),
        ErrorCode::SandboxNotFound | ErrorCode::SandboxNotRunning | ErrorCode::SandboxDeleting
    );
    if !is_down && api.engine().public_session(sandbox).is_ok() {
        return failure;
    }
    ApiFailure::new(ErrorCode::SessionNotFound, "this session is over: begin a new one")
}
