//! `GET /sandboxes/{id}/background`

use atoll_api_types::Job;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::job_view;
use crate::extract::{PageQuery, Path, Query, SandboxPath};

/// List the background jobs of a sandbox, newest first.
#[utoipa::path(get, path = "/sandboxes/{id}/background", tag = "background", params(SandboxPath, PageQuery))]
pub(crate) async fn list_jobs(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Query(query): Query<PageQuery>,
) -> Result<Page<Job>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().job_list(&caller, &path.id, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, job_view))
}
