//! `GET /sandboxes/{id}`

use atoll_api_types::Sandbox;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::sandbox_view;
use crate::extract::{Path, SandboxPath};

/// Show a sandbox.
#[utoipa::path(get, path = "/sandboxes/{id}", tag = "sandboxes", params(SandboxPath))]
pub(crate) async fn get_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
) -> Result<Ok<Sandbox>, ApiFailure> {
    data(sandbox_view(api.engine().sandbox_get(&caller, &path.id).await?))
}
