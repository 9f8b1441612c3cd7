//! The layer before every route that is not public.

use atoll_engine::Caller;
use atoll_types::ErrorCode;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::Uri;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::credential::credential;
use super::same_origin::is_same_origin;
use super::{Mode, TokenKeys};
use crate::Api;
use crate::answer::ApiFailure;
use crate::bounds::TOKEN_BYTES_MAX;
use crate::extract::discard;

/// First characters of every API key; a token never begins so.
const KEY_PREFIX: &str = "sk_";

/// Who asks. Only [`authenticate`] makes one, so a handler that takes it cannot be reached without.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated(pub(crate) Caller);

/// Lets callers through who are known.
pub(crate) async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    match caller(&api, request.headers(), request.uri()).await {
        Ok(caller) => {
            let known = Authenticated(caller);
            request.extensions_mut().insert(known.clone());
            let mut response = next.run(request).await;
            // For the log of requests.
            response.extensions_mut().insert(known);
            response
        }
        Err(refused) => {
            discard(request.into_body()).await;
            refused.into_response()
        }
    }
}

/// Who asks, or why that is not known.
pub(crate) async fn caller(api: &Api, headers: &HeaderMap, uri: &Uri) -> Result<Caller, ApiFailure> {
    let access = &api.settings().access;
    match &access.mode {
        Mode::SingleUser(caller) if is_same_origin(headers, uri) => Ok(caller.clone()),
        Mode::SingleUser(_) => Err(ApiFailure::new(
            ErrorCode::Forbidden,
            "in single-user mode requests are taken only from this machine, to localhost, and not from other sites' pages",
        )),
        Mode::Tokens(keys) => {
            let given = credential(headers, uri).ok_or_else(|| {
                unauthorized(
                    "send a token or an API key as 'Authorization: Bearer …', or a key as 'X-API-Key: sk_…'",
                )
            })?;
            let known = if given.starts_with(KEY_PREFIX) {
                by_key(api, &given).await?
            } else {
                by_token(api, keys, &given).await?
            };
            known.ok_or_else(|| {
                unauthorized("this token or key is not valid here, or has ended: log in again")
            })
        }
    }
}

async fn by_key(api: &Api, key: &str) -> Result<Option<Caller>, ApiFailure> {
    if key.len() > TOKEN_BYTES_MAX {
        return Ok(None);
    }
    Ok(api.engine().api_key_authenticate(key).await?)
}

async fn by_token(api: &Api, keys: &TokenKeys, token: &str) -> Result<Option<Caller>, ApiFailure> {
    match keys.check(token) {
        Some(user) => api.settings().access.users.caller(api.engine(), user).await,
        None => Ok(None),
    }
}

fn unauthorized(message: &str) -> ApiFailure {
    ApiFailure::new(ErrorCode::Unauthorized, message)
}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiFailure> {
        let missing = || ApiFailure::internal("a handler asks for its caller on a public route");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}
