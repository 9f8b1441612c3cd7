//! `/auth`: accounts and tokens.

pub(crate) mod login;
pub(crate) mod me;
pub(crate) mod signup;

use atoll_api_types::AuthData;
use atoll_ports::UserRecord;
use atoll_types::ErrorCode;
use tokio::sync::SemaphorePermit;

use crate::Api;
use crate::access::{Mode, TokenKeys};
use crate::answer::ApiFailure;
use crate::bounds::CREDENTIAL_CHECK_TIMEOUT;
use crate::convert::user_view;

/// A turn to hash a password: it costs memory and a core, and anybody may ask for it.
async fn turn(api: &Api) -> Result<SemaphorePermit<'_>, ApiFailure> {
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

/// The account with a new token.
fn with_token(keys: &TokenKeys, user: &UserRecord) -> Result<AuthData, ApiFailure> {
    let (token, expires_at) = keys.mint(&user.id).map_err(ApiFailure::internal)?;
    Ok(AuthData { user: user_view(user), token, expires_at: expires_at.to_rfc3339() })
}
