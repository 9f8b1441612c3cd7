//! `GET /environments/{id}/versions`

use atoll_api_types::EnvironmentVersion;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::version_view;
use crate::extract::{EnvironmentPath, PageQuery, Path, Query};

/// List the versions of an environment, newest first.
#[utoipa::path(
    get,
    path = "/environments/{id}/versions",
    tag = "environments",
    params(EnvironmentPath, PageQuery)
)]
pub(crate) async fn list_environment_versions(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<EnvironmentPath>,
    Query(query): Query<PageQuery>,
) -> Result<Page<EnvironmentVersion>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().environment_versions(&caller, &path.id, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, version_view))
}
