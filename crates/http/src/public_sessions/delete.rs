//! `DELETE /sessions/{id}`

use atoll_api_types::Deleted;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};

use crate::Api;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Path, PublicSessionPath};

/// End a public session, with everything in it.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "sessions", params(PublicSessionPath))]
pub(crate) async fn end_public_session(
    State(api): State<Api>,
    Path(path): Path<PublicSessionPath>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Ok<Deleted>, ApiFailure> {
    let sessions = api.enabled_sessions()?;
    sessions.check_origin(&headers, &uri)?;
    let sandbox = sessions.sandbox(&path.id)?;
    api.engine().public_session_delete(&sandbox).await?;
    data(Deleted { id: path.id, deleted: true })
}
