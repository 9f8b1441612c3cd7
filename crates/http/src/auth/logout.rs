//! `POST /auth/logout`

use atoll_api_types::Deleted;
use atoll_types::ErrorCode;
use axum::extract::State;

use super::cookie;
use crate::Api;
use crate::access::{Authenticated, Grant};
use crate::answer::{ApiFailure, Ok, WithCookie, data};

/// End the log-in that this token is of.
///
/// Its tokens stop working at once, this one too.
#[utoipa::path(post, path = "/auth/logout", tag = "auth")]
pub(crate) async fn log_out(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    grant: Grant,
) -> Result<WithCookie<Ok<Deleted>>, ApiFailure> {
    let none = || {
        let text = "there is no log-in to end: a key ends with DELETE /api-keys/{id}";
        ApiFailure::new(ErrorCode::Forbidden, text)
    };
    let session = grant.session.ok_or_else(none)?;
    api.engine().session_end(&caller, &session).await?;
    let answer = data(Deleted { id: session.to_string(), deleted: true })?;
    Ok(WithCookie { answer, cookie: cookie::forget(&api) })
}
