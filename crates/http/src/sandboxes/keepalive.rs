//! `POST /sandboxes/{id}/keepalive`

use atoll_api_types::Sandbox;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::sandbox_view;
use crate::extract::{Path, SandboxPath};

/// Count as activity: the idle time of the sandbox begins anew.
#[utoipa::path(post, path = "/sandboxes/{id}/keepalive", tag = "sandboxes", params(SandboxPath))]
pub(crate) async fn keep_sandbox_alive(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
) -> Result<Ok<Sandbox>, ApiFailure> {
    data(sandbox_view(api.engine().sandbox_keepalive(&caller, &path.id).await?))
}
