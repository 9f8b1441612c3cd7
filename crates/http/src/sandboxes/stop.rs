//! `POST /sandboxes/{id}/stop`

use atoll_api_types::Sandbox;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::sandbox_view;
use crate::extract::{Path, SandboxPath};

/// Stop a sandbox: its processes end, its files stay. Answers when it is stopped.
#[utoipa::path(post, path = "/sandboxes/{id}/stop", tag = "sandboxes", params(SandboxPath))]
pub(crate) async fn stop_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
) -> Result<Ok<Sandbox>, ApiFailure> {
    data(sandbox_view(api.engine().sandbox_stop(&caller, &path.id).await?))
}
