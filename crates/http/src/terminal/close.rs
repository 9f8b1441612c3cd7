//! `DELETE /sandboxes/{id}/terminals/{name}`

use atoll_api_types::Deleted;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Path, TerminalPath};

/// Hang a terminal up. Its programs get SIGHUP, and SIGKILL two seconds later.
#[utoipa::path(delete, path = "/sandboxes/{id}/terminals/{name}", tag = "terminals", params(TerminalPath))]
pub(crate) async fn close_terminal(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<TerminalPath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().terminal_close(&caller, &path.id, &path.name).await?;
    data(Deleted { id: path.name.to_string(), deleted: true })
}
