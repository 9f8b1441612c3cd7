//! `POST /sandboxes/{id}/resume`

use atoll_api_types::Sandbox;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::sandbox_view;
use crate::extract::{Path, SandboxPath};

/// Resume a paused sandbox: everything goes on where it was, and its idle time begins anew.
#[utoipa::path(post, path = "/sandboxes/{id}/resume", tag = "sandboxes", params(SandboxPath))]
pub(crate) async fn resume_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
) -> Result<Ok<Sandbox>, ApiFailure> {
    data(sandbox_view(api.engine().sandbox_resume(&caller, &path.id).await?))
}
