//! `GET /sandboxes/{id}/execs`

use atoll_api_types::Exec;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::exec_record_view;
use crate::extract::{PageQuery, Path, Query, SandboxPath};

/// List the execs of a sandbox, newest first, without their output.
#[utoipa::path(get, path = "/sandboxes/{id}/execs", tag = "execs", params(SandboxPath, PageQuery))]
pub(crate) async fn list_execs(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Query(query): Query<PageQuery>,
) -> Result<Page<Exec>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().exec_list(&caller, &path.id, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, exec_record_view))
}
