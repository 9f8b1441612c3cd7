//! `POST /auth/signup`

use atoll_api_types::{AuthData, SignUp};
use axum::extract::State;
use axum::http::HeaderMap;

use super::{Place, begin, token_keys, turn};
use crate::Api;
use crate::access::Client;
use crate::answer::{Answer, ApiFailure, Created, WithCookie};
use crate::convert::new_sign_up;
use crate::extract::Json;

/// Make an account.
///
/// Open while Atoll listens on loopback only; else for the first account, and by invitation.
#[utoipa::path(post, path = "/auth/signup", tag = "auth")]
pub(crate) async fn signup(
    State(api): State<Api>,
    Client(visitor): Client,
    headers: HeaderMap,
    Json(body): Json<SignUp>,
) -> Result<WithCookie<Created<AuthData>>, ApiFailure> {
    let keys = token_keys(&api)?;
    let (email, password, invitation) = new_sign_up(body)?;
    let _turn = turn(&api).await?;
    let user = match invitation {
        Some(invitation) => api.engine().sign_up_invited(email, password, &invitation).await?,
        None => api.engine().sign_up(email, password).await?,
    };
    let (answer, cookie) = begin(&api, keys, &user, &visitor, Place::of(&headers)).await?;
    Ok(WithCookie { answer: Answer(answer), cookie })
}
