//! `POST /auth/login`

use atoll_api_types::{AuthData, Credentials};
use axum::extract::State;
use axum::http::HeaderMap;

use super::{Place, begin, token_keys, turn};
use crate::Api;
use crate::access::Client;
use crate::answer::{ApiFailure, Ok, WithCookie, data};
use crate::convert::new_credentials;
use crate::extract::Json;

/// Log in.
///
/// After several wrong passwords the next is looked at later (`login_locked`).
#[utoipa::path(post, path = "/auth/login", tag = "auth")]
pub(crate) async fn login(
    State(api): State<Api>,
    Client(visitor): Client,
    headers: HeaderMap,
    Json(body): Json<Credentials>,
) -> Result<WithCookie<Ok<AuthData>>, ApiFailure> {
    let keys = token_keys(&api)?;
    let (email, password) = new_credentials(body)?;
    let _turn = turn(&api).await?;
    let user = api.engine().log_in(email, password, visitor.address).await?;
    let (answer, cookie) = begin(&api, keys, &user, &visitor, Place::of(&headers)).await?;
    Ok(WithCookie { answer: data(answer)?, cookie })
}
