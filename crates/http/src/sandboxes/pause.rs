//! `POST /sandboxes/{id}/pause`

use atoll_api_types::Sandbox;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::sandbox_view;
use crate::extract::{Path, SandboxPath};

/// Pause a sandbox: nothing of it runs until it is resumed; its memory, files and connections stay.
#[utoipa::path(post, path = "/sandboxes/{id}/pause", tag = "sandboxes", params(SandboxPath))]
pub(crate) async fn pause_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
) -> Result<Ok<Sandbox>, ApiFailure> {
    data(sandbox_view(api.engine().sandbox_pause(&caller, &path.id).await?))
}
