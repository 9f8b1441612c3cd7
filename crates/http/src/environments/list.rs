//! `GET /environments`

use atoll_api_types::Environment;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::environment_view;
use crate::extract::{PageQuery, Query};

/// List one's environments, newest first.
#[utoipa::path(get, path = "/environments", tag = "environments", params(PageQuery))]
pub(crate) async fn list_environments(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<PageQuery>,
) -> Result<Page<Environment>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().environment_list(&caller, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, environment_view))
}
