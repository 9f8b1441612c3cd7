//! `GET /sandboxes/{id}/execs/{exec_id}`

use atoll_api_types::Exec;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::exec_view;
use crate::extract::{ExecPath, Path};

/// Show an exec with what it wrote so far.
#[utoipa::path(get, path = "/sandboxes/{id}/execs/{exec_id}", tag = "execs", params(ExecPath))]
pub(crate) async fn get_exec(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ExecPath>,
) -> Result<Ok<Exec>, ApiFailure> {
    data(exec_view(api.engine().exec_get(&caller, &path.id, &path.exec_id).await?))
}
