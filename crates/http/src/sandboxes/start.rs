//! `POST /sandboxes/{id}/start`

use atoll_api_types::Sandbox;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::sandbox_view;
use crate::extract::{Path, SandboxPath};

/// Start a stopped sandbox. Answers when it runs.
#[utoipa::path(post, path = "/sandboxes/{id}/start", tag = "sandboxes", params(SandboxPath))]
pub(crate) async fn start_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
) -> Result<Ok<Sandbox>, ApiFailure> {
    data(sandbox_view(api.engine().sandbox_start(&caller, &path.id).await?))
}
