//! `POST /sandboxes/{id}/execs/{exec_id}/resize`

use atoll_api_types::{Accepted, ExecResizeBody};
use atoll_types::TerminalSize;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{ExecPath, Json, Path};

/// Change the size of the terminal that an exec runs in (`tty`): its programs get SIGWINCH.
#[utoipa::path(post, path = "/sandboxes/{id}/execs/{exec_id}/resize", tag = "execs", params(ExecPath))]
pub(crate) async fn resize_exec(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ExecPath>,
    Json(body): Json<ExecResizeBody>,
) -> Result<Ok<Accepted>, ApiFailure> {
    let size = TerminalSize::new(body.cols, body.rows);
    let size = size.map_err(|e| ApiFailure::field(e.what, format!("must be {}", e.expected)))?;
    api.engine().exec_resize(&caller, &path.id, &path.exec_id, size).await?;
    data(Accepted { id: path.exec_id.to_string(), accepted: true })
}
