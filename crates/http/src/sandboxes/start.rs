//! `POST /sandboxes/{id}/start`

use atoll_api_types::Sandbox;
use axum::extract::State;
use serde::Deserialize;

use super::healthy::{needs_check, wait};
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::{sandbox_view, wait_for_healthy};
use crate::extract::{Path, Problems, Query, SandboxPath};

/// What to wait for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct StartQuery {
    /// `healthy`: answer only when its health check says so. When it is unhealthy, or not healthy in time, it runs on, and the answer
    /// is the error `sandbox_not_healthy`.
    wait_for: Option<String>,
    /// Seconds to wait for that.
    #[param(default = 60, minimum = 1, maximum = 300)]
    wait_seconds: Option<u32>,
}

/// Start a stopped sandbox. Answers when it runs, or with `waitFor` when it is healthy.
#[utoipa::path(post, path = "/sandboxes/{id}/start", tag = "sandboxes", params(SandboxPath, StartQuery))]
pub(crate) async fn start_sandbox(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Query(query): Query<StartQuery>,
) -> Result<Ok<Sandbox>, ApiFailure> {
    let mut problems = Problems::default();
    let within = wait_for_healthy(&mut problems, "query.", query.wait_for.as_deref(), query.wait_seconds);
    let within = problems.finish(Some(within))?;
    let engine = api.engine();
    let checked = engine.sandbox_get(&caller, &path.id).await?.record.spec.health_check.is_some();
    if within.is_some() && !checked {
        return Err(needs_check("query.waitFor"));
    }
    let started = engine.sandbox_start(&caller, &path.id).await?;
    let Some(within) = within else { return data(sandbox_view(started)) };
    let healthy = wait(engine, &caller, &[path.id], within).await?.pop();
    data(sandbox_view(healthy.unwrap_or(started)))
}
