//! `DELETE /auth/sessions/{id}`

use atoll_api_types::Deleted;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Path, SessionPath};

/// End one of one's log-ins. Its tokens stop working at once.
#[utoipa::path(delete, path = "/auth/sessions/{id}", tag = "auth", params(SessionPath))]
pub(crate) async fn end_session(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SessionPath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().session_end(&caller, &path.id).await?;
    data(Deleted { id: path.id.to_string(), deleted: true })
}
