//! `POST /auth/signup`

use atoll_api_types::{AuthData, Credentials};
use axum::extract::State;

use super::{token_keys, turn, with_token};
use crate::Api;
use crate::answer::{Answer, ApiFailure, Created};
use crate::convert::new_credentials;
use crate::extract::Json;

/// Make an account.
///
/// Open while Atoll listens on loopback only; else for the first account only.
#[utoipa::path(post, path = "/auth/signup", tag = "auth")]
pub(crate) async fn signup(
    State(api): State<Api>,
    Json(body): Json<Credentials>,
) -> Result<Created<AuthData>, ApiFailure> {
    let keys = token_keys(&api)?;
    let (email, password) = new_credentials(body)?;
    let _turn = turn(&api).await?;
    let user = api.engine().sign_up(email, password).await?;
    with_token(keys, &user).map(Answer)
}
