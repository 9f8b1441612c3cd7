//! `POST /sandboxes`

use atoll_api_types::{CreateSandbox, CreatedSandboxes};
use atoll_types::SandboxId;
use axum::extract::State;

use super::healthy::{needs_check, wait};
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::convert::{NewSandboxBody, new_sandbox, sandbox_view};
use crate::extract::Json;

/// Make a sandbox, or `count` of them.
///
/// With `environmentId` it is what that environment says, but for what the body says. Answers when it runs, or with `waitFor` when
/// it is healthy. With `count` the answer is a list, and all of them run or none is kept.
#[utoipa::path(post, path = "/sandboxes", tag = "sandboxes")]
pub(crate) async fn create_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreateSandbox>,
) -> Result<Created<CreatedSandboxes>, ApiFailure> {
    let NewSandboxBody { name, base, template, count, wait: within } = new_sandbox(body)?;
    let engine = api.engine();
    let new = engine.sandbox_from(&caller, &base, name, template).await?;
    if within.is_some() && new.health_check.as_ref().is_none_or(|check| check.command.is_none()) {
        return Err(needs_check("waitFor"));
    }
    let mut made = match count {
        None => vec![engine.sandbox_create(&caller, new).await?],
        Some(count) => engine.sandbox_create_many(&caller, new, count).await?,
    };
    if let Some(within) = within {
        let ids: Vec<SandboxId> = made.iter().map(|made| made.record.id.clone()).collect();
        made = wait(engine, &caller, &ids, within).await?;
    }
    let mut made = made.into_iter().map(sandbox_view);
    Ok(Answer(match count {
        Some(_) => CreatedSandboxes::Many(made.collect()),
        None => CreatedSandboxes::One(Box::new(
            made.next().ok_or_else(|| ApiFailure::internal("no sandbox was made"))?,
        )),
    }))
}
