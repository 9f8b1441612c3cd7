//! `POST /sandboxes`

use atoll_api_types::{CreateSandbox, CreatedSandboxes};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::convert::{NewSandboxBody, new_sandbox, sandbox_view};
use crate::extract::Json;

/// Make a sandbox, or `count` of them.
///
/// With `environmentId` it is what that environment says, but for what the body says. Answers when it runs. With `count` the answer is a list, and all of them run or none is kept.
#[utoipa::path(post, path = "/sandboxes", tag = "sandboxes")]
pub(crate) async fn create_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreateSandbox>,
) -> Result<Created<CreatedSandboxes>, ApiFailure> {
    let NewSandboxBody { name, base, template, count } = new_sandbox(body)?;
    let new = api.engine().sandbox_from(&caller, &base, name, template).await?;
    let made = match count {
        None => {
            CreatedSandboxes::One(Box::new(sandbox_view(api.engine().sandbox_create(&caller, new).await?)))
        }
        Some(count) => {
            let made = api.engine().sandbox_create_many(&caller, new, count).await?;
            CreatedSandboxes::Many(made.into_iter().map(sandbox_view).collect())
        }
    };
    Ok(Answer(made))
}
