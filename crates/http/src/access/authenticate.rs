//! The layer before every route that is not public.

use atoll_engine::{Caller, Means};
use atoll_types::ErrorCode;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::http::Uri;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::credential::credential;
use super::same_origin::is_same_origin;
use super::{Grant, Mode, TokenKeys, client_address};
use crate::Api;
use crate::answer::ApiFailure;
use crate::bounds::TOKEN_BYTES_MAX;
use crate::extract::discard;
use crate::limit::{Counted, noted};

/// First characters of every API key; a token never begins so.
const KEY_PREFIX: &str = "sk_";

/// Who asks. Only [`authenticate`] makes one, so a handler that takes it cannot be reached without.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated(pub(crate) Caller);

/// Lets callers through who are known.
pub(crate) async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let known = caller(&api, request.headers(), request.uri()).await;
    let counted = count(&api, &request, &known);
    let standing = counted.as_ref().map_or_else(|standing| Some(*standing), |standing| *standing);
    let admitted = match counted {
        Ok(_) => known.and_then(|known| permitted(known, &request)),
        Err(standing) => Err(ApiFailure::rate_limited(&standing)),
    };
    let response = match admitted {
        Ok((caller, grant)) => {
            let known = Authenticated(caller);
            request.extensions_mut().insert(known.clone());
            request.extensions_mut().insert(grant);
            let mut response = next.run(request).await;
            // For the log of requests.
            response.extensions_mut().insert(known);
            response
        }
        Err(refused) => {
            discard(request.into_body()).await;
            refused.into_response()
        }
    };
    noted(response, standing)
}

/// Counts a request as one of its account, or of the network of whoever is not known: tokens can be guessed too.
fn count(api: &Api, request: &Request, known: &Result<(Caller, Grant), ApiFailure>) -> Counted {
    match known {
        Ok((caller, _)) => api.limits().user(&caller.user),
        Err(_) => api.limits().anonymous(client_address(api, request.headers(), request.extensions())),
    }
}

/// The same, if the route is one of those that the key is for.
fn permitted(known: (Caller, Grant), request: &Request) -> Result<(Caller, Grant), ApiFailure> {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    known.1.check(request.method(), route)?;
    Ok(known)
}

/// Who asks, or why that is not known.
pub(crate) async fn caller(api: &Api, headers: &HeaderMap, uri: &Uri) -> Result<(Caller, Grant), ApiFailure> {
    let access = &api.settings().access;
    match &access.mode {
        Mode::SingleUser(caller) if is_same_origin(headers, uri) => Ok((caller.clone(), Grant::WHOLE)),
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

async fn by_key(api: &Api, key: &str) -> Result<Option<(Caller, Grant)>, ApiFailure> {
    if key.len() > TOKEN_BYTES_MAX {
        return Ok(None);
    }
    let holder = api.engine().api_key_authenticate(key).await?;
    Ok(holder
        .map(|holder| (holder.caller, Grant { scopes: holder.scopes, session: None, means: holder.means })))
}

async fn by_token(api: &Api, keys: &TokenKeys, token: &str) -> Result<Option<(Caller, Grant)>, ApiFailure> {
    let Some((user, session)) = keys.check(token) else { return Ok(None) };
    let caller = api.engine().session_caller(&user, &session).await?;
    Ok(caller.map(|caller| {
        let means = Means::LogIn(session.clone());
        (caller, Grant { session: Some(session), means, ..Grant::WHOLE })
    }))
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
