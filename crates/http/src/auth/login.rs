//! `POST /auth/login`

use atoll_api_types::{AuthData, Credentials};
use axum::extract::State;

use super::{token_keys, turn, with_token};
use crate::Api;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::new_credentials;
use crate::extract::Json;

/// Log in.
#[utoipa::path(post, path = "/auth/login", tag = "auth")]
pub(crate) async fn login(
    State(api): State<Api>,
    Json(body): Json<Credentials>,
) -> Result<Ok<AuthData>, ApiFailure> {
    let keys = token_keys(&api)?;
    let (email, password) = new_credentials(body)?;
    let _turn = turn(&api).await?;
    let user = api.engine().log_in(email, password).await?;
    data(with_token(keys, &user)?)
}
