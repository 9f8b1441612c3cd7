//! `POST /sandboxes/{id}/replicate`

use atoll_api_types::{ReplicateSandbox, Sandbox};
use atoll_engine::Base;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::convert::{replicated, sandbox_view};
use crate::extract::{Json, Path, SandboxPath};

/// Make another sandbox like this one.
///
/// It is what this one is, but for what the body says; variables and labels are laid over this one's. It begins with the files of
/// the image and a life time of its own. Answers when it runs.
#[utoipa::path(post, path = "/sandboxes/{id}/replicate", tag = "sandboxes", params(SandboxPath))]
pub(crate) async fn replicate_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Json(body): Json<ReplicateSandbox>,
) -> Result<Created<Sandbox>, ApiFailure> {
    let (name, template) = replicated(body)?;
    let new = api.engine().sandbox_from(&caller, &Base::Sandbox(path.id), name, template).await?;
    Ok(Answer(sandbox_view(api.engine().sandbox_create(&caller, new).await?)))
}
