//! `POST /sandboxes/{id}/execs/{exec_id}/stdin`

use atoll_api_types::{Accepted, StdinBody};
use atoll_ports::StdinPiece;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::decode_bytes;
use crate::extract::{ExecPath, Json, Path, Problems};

/// Write to the standard input of an exec that was started with `openStdin`.
///
/// Answers when the command's pipe has taken it, so a command that does not read holds the next write. With `offset` a write
/// whose answer was lost may be repeated: every byte arrives once.
#[utoipa::path(post, path = "/sandboxes/{id}/execs/{exec_id}/stdin", tag = "execs", params(ExecPath))]
pub(crate) async fn write_exec_stdin(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ExecPath>,
    Json(body): Json<StdinBody>,
) -> Result<Ok<Accepted>, ApiFailure> {
    let mut problems = Problems::default();
    let bytes = decode_bytes("data", body.data, body.encoding, &mut problems);
    let bytes = problems.finish(bytes)?;
    let piece = StdinPiece { offset: body.offset, data: bytes, eof: body.eof };
    api.engine().exec_stdin(&caller, &path.id, &path.exec_id, piece).await?;
    data(Accepted { id: path.exec_id.to_string(), accepted: true })
}
