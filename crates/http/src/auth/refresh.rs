//! `POST /auth/refresh`

use atoll_api_types::{AuthData, RefreshBody};
use atoll_types::ErrorCode;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};

use super::{Place, cookie, token_keys, tokens};
use crate::Api;
use crate::access::Client;
use crate::answer::{ApiFailure, Ok, WithCookie, data};
use crate::bounds::REFRESH_TOKEN_BYTES_MAX;
use crate::extract::Json;

/// Get a new token for a refresh token.
///
/// The refresh token is in the body, or in the cookie that log-in gave to a browser. It is good once: the answer has the
/// next one, in the same place. One that comes a second time ends the log-in, since somebody else may have it.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth")]
pub(crate) async fn refresh(
    State(api): State<Api>,
    Client(visitor): Client,
    headers: HeaderMap,
    uri: Uri,
    Json(body): Json<RefreshBody>,
) -> Result<WithCookie<Ok<AuthData>>, ApiFailure> {
    let keys = token_keys(&api)?;
    let (token, place) = match body.refresh_token {
        Some(token) if token.len() > REFRESH_TOKEN_BYTES_MAX => {
            let text =
                format!("must be a refresh token of this server, of at most {REFRESH_TOKEN_BYTES_MAX} bytes");
            return Err(ApiFailure::field("refreshToken", text));
        }
        Some(token) => (token, Place::Body),
        None if !api.settings().access.protection.welcomes(&headers, &uri) => {
            let text = "the cookie is taken from this server's own pages alone";
            return Err(ApiFailure::new(ErrorCode::Forbidden, text));
        }
        None => {
            let missing =
                || ApiFailure::field("refreshToken", "is required, here or in the cookie of a log-in");
            (cookie::read(&headers).ok_or_else(missing)?, Place::Cookie)
        }
    };
    let wrong =
        || ApiFailure::new(ErrorCode::SessionEnded, "this is no refresh token of this server: log in again");
    let (session, seq) = keys.check_refresh(&token).ok_or_else(wrong)?;
    let (user, session) = api.engine().session_refresh(&session, seq, &visitor).await?;
    let (answer, cookie) = tokens(&api, keys, &user, &session, place)?;
    Ok(WithCookie { answer: data(answer)?, cookie })
}
