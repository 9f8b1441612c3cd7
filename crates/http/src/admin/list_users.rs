//! `GET /admin/users`

use atoll_api_types::AdminUser;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::admin_user_view;
use crate::extract::{PageQuery, Query};

/// List all accounts, newest first.
#[utoipa::path(get, path = "/admin/users", tag = "admin", params(PageQuery))]
pub(crate) async fn list_users(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<PageQuery>,
) -> Result<Page<AdminUser>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().admin_user_list(&caller, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, |user| admin_user_view(&user)))
}
