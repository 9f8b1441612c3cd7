//! `GET /api-keys`

use atoll_api_types::ApiKey;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::api_key_view;
use crate::extract::{PageQuery, Query};

/// List one's API keys, newest first.
#[utoipa::path(get, path = "/api-keys", tag = "API keys", params(PageQuery))]
pub(crate) async fn list_api_keys(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<PageQuery>,
) -> Result<Page<ApiKey>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().api_key_list(&caller, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, api_key_view))
}
