//! `GET /admin/sessions`

use atoll_api_types::AdminSession;
use atoll_engine::{SandboxView, holder_of};
use atoll_types::Timestamp;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::extract::{PageQuery, Query};

/// List the public sessions that there are, newest first. `DELETE /sandboxes/{id}` ends one.
#[utoipa::path(get, path = "/admin/sessions", tag = "admin", params(PageQuery))]
pub(crate) async fn list_public_sessions(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<PageQuery>,
) -> Result<Page<AdminSession>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let page = api.engine().public_session_list(&caller, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, |view| shown(&view)))
}

fn shown(view: &SandboxView) -> AdminSession {
    AdminSession {
        id: view.record.id.to_string(),
        holder: holder_of(&view.record).unwrap_or_default().to_owned(),
        state: view.status.as_str().to_owned(),
        created_at: view.record.created_at.to_rfc3339(),
        expires_at: view.expires_at.map(Timestamp::to_rfc3339),
    }
}
