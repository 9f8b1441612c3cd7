//! `/auth`: accounts, log-ins and their tokens.

mod cookie;
pub(crate) mod end_session;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod me;
pub(crate) mod password;
pub(crate) mod refresh;
pub(crate) mod sessions;
pub(crate) mod signup;

use atoll_api_types::AuthData;
use atoll_engine::Visitor;
use atoll_ports::{SessionRecord, UserRecord};
use atoll_types::ErrorCode;
use axum::http::{HeaderMap, HeaderValue};
use tokio::sync::SemaphorePermit;

use crate::Api;
use crate::access::{Mode, TokenKeys};
use crate::answer::ApiFailure;
use crate::bounds::CREDENTIAL_CHECK_TIMEOUT;
use crate::convert::user_view;

/// A turn to hash a password: it costs memory and a core, and anybody may ask for it.
pub(crate) async fn turn(api: &Api) -> Result<SemaphorePermit<'_>, ApiFailure> {
    // Cancel safe: it only waits.
    match tokio::time::timeout(CREDENTIAL_CHECK_TIMEOUT, api.credential_checks().acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(ApiFailure::new(
            ErrorCode::RateLimited,
            "too many sign-ups and log-ins at once; try again in a moment",
        )),
    }
}

/// The keys of tokens; refused where there are none.
fn token_keys(api: &Api) -> Result<&TokenKeys, ApiFailure> {
    match &api.settings().access.mode {
        Mode::Tokens(keys) => Ok(keys),
        Mode::SingleUser(_) => {
            let message =
                "this server runs in single-user mode: there is one account, and no token is needed";
            Err(ApiFailure::new(ErrorCode::Forbidden, message))
        }
    }
}

/// Where a client keeps its refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A cookie, which no script of the page reads.
    Cookie,
    /// The answer's body: programs.
    Body,
}

impl Place {
    fn of(headers: &HeaderMap) -> Self {
        if cookie::is_page(headers) { Self::Cookie } else { Self::Body }
    }
}

/// The account with the tokens of a new log-in.
async fn begin(
    api: &Api,
    keys: &TokenKeys,
    user: &UserRecord,
    visitor: &Visitor,
    place: Place,
) -> Result<(AuthData, Option<HeaderValue>), ApiFailure> {
    let session = api.engine().session_begin(user, visitor).await?;
    tokens(api, keys, user, &session, place)
}

/// The account with the next tokens of a log-in.
fn tokens(
    api: &Api,
    keys: &TokenKeys,
    user: &UserRecord,
    session: &SessionRecord,
    place: Place,
) -> Result<(AuthData, Option<HeaderValue>), ApiFailure> {
    let (token, expires_at) = keys.mint(&user.id, &session.id).map_err(ApiFailure::internal)?;
    let refresh = keys.mint_refresh(session).map_err(ApiFailure::internal)?;
    let (refresh_token, cookie) = match place {
        Place::Body => (Some(refresh), None),
        Place::Cookie => (None, cookie::keep(api, &refresh, session)),
    };
    let expires_at = expires_at.to_rfc3339();
    Ok((AuthData { user: user_view(user), token, expires_at, refresh_token }, cookie))
}
