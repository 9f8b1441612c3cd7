//! `POST /sandboxes/{id}/terminal/resize`

use atoll_api_types::{Accepted, ResizeBody};
use atoll_ports::TerminalKey;
use atoll_types::{TerminalName, TerminalSize};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Json, Path, Problems, SandboxPath};

/// Change the size of a terminal: its programs get SIGWINCH, and every client is told.
#[utoipa::path(post, path = "/sandboxes/{id}/terminal/resize", tag = "terminals", params(SandboxPath))]
pub(crate) async fn resize_terminal(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Json(body): Json<ResizeBody>,
) -> Result<Ok<Accepted>, ApiFailure> {
    let (name, size) = checked(body)?;
    api.engine().terminal_resize(&caller, &path.id, &TerminalKey::any(name.clone()), size).await?;
    data(Accepted { id: name.to_string(), accepted: true })
}

fn checked(body: ResizeBody) -> Result<(TerminalName, TerminalSize), ApiFailure> {
    let mut problems = Problems::default();
    let size = TerminalSize::new(body.cols, body.rows);
    let size = size.map_err(|e| problems.add(e.what, format!("must be {}", e.expected))).ok();
    let name = problems.parse("terminal", body.terminal).unwrap_or_else(TerminalName::main);
    problems.finish(size.map(|size| (name, size)))
}
