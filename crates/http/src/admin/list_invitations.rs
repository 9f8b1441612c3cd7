//! `GET /admin/invitations`

use atoll_api_types::Invitation;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::invitation_view;
use crate::extract::{PageQuery, Query};

/// List open invitations, newest first.
#[utoipa::path(get, path = "/admin/invitations", tag = "admin", params(PageQuery))]
pub(crate) async fn list_invitations(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<PageQuery>,
) -> Result<Page<Invitation>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().invitation_list(&caller, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, invitation_view))
}
