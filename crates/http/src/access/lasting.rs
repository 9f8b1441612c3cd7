//! Right of whoever is served for longer than a request takes.

use atoll_engine::{Caller, Means};
use atoll_types::ErrorCode;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Authenticated, Grant};
use crate::Api;
use crate::answer::ApiFailure;

/// Who asks, and by what he was let in.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) caller: Caller,
    pub(crate) means: Means,
}

impl<S: Send + Sync> FromRequestParts<S> for Held {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiFailure> {
        let Authenticated(caller) = Authenticated::from_request_parts(parts, state).await?;
        let means = Grant::from_request_parts(parts, state).await?.means;
        Ok(Self { caller, means })
    }
}

/// Waits until the account of a caller is disabled, removed, or has another role, or what let him in is taken back; says so.
pub(crate) async fn allowed(api: Api, held: Held) -> ApiFailure {
    api.engine().caller_over(&held.caller, &held.means).await;
    over()
}

/// Does something that lasts, for as long as the caller is who he was; what is cut off then is dropped.
pub(crate) async fn while_allowed<T, E: From<ApiFailure>>(
    api: &Api,
    held: &Held,
    lasting: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::select! {
        biased;
        () = api.engine().caller_over(&held.caller, &held.means) => Err(over().into()),
        ended = lasting => ended,
    }
}

fn over() -> ApiFailure {
    ApiFailure::new(
        ErrorCode::Unauthorized,
        "this log-in was ended, this key was deleted, or this account was disabled, removed, or has another role now: log in again",
    )
}
