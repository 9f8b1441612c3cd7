//! `GET /auth/sessions`

use atoll_api_types::Session;
use axum::extract::State;

use crate::Api;
use crate::access::{Authenticated, Grant};
use crate::answer::{ApiFailure, Page};
use crate::convert::session_view;
use crate::extract::{PageQuery, Query};

/// List one's log-ins, newest first.
#[utoipa::path(get, path = "/auth/sessions", tag = "auth", params(PageQuery))]
pub(crate) async fn list_sessions(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    grant: Grant,
    Query(query): Query<PageQuery>,
) -> Result<Page<Session>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().session_list(&caller, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, |session| session_view(session, grant.session.as_ref())))
}
