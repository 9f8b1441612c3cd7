//! `DELETE /sandboxes/{id}`

use atoll_api_types::Deleted;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Path, SandboxPath};

/// Delete a sandbox with all its files, in whatever state it is.
#[utoipa::path(delete, path = "/sandboxes/{id}", tag = "sandboxes", params(SandboxPath))]
pub(crate) async fn delete_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().sandbox_delete(&caller, &path.id).await?;
    data(Deleted { id: path.id.to_string(), deleted: true })
}
