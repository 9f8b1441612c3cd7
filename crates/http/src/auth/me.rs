//! `GET /auth/me`

use atoll_api_types::User;
use atoll_types::ErrorCode;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::user_view;

/// Show one's own account.
#[utoipa::path(get, path = "/auth/me", tag = "auth")]
pub(crate) async fn me(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
) -> Result<Ok<User>, ApiFailure> {
    let gone = || ApiFailure::new(ErrorCode::Unauthorized, "this account is gone");
    let user = api.engine().user(&caller.user).await?.ok_or_else(gone)?;
    data(user_view(&user))
}
