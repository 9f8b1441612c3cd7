//! The limits before routes that anybody may call.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Counted, Standing};
use crate::Api;
use crate::access::client_address;
use crate::answer::ApiFailure;
use crate::extract::discard;

/// Routes that take a password of somebody who is not known.
const AUTH: [&str; 2] = ["/auth/signup", "/auth/login"];
/// Never counted: whoever watches a server must not be kept from it.
const FREE: &str = "/health";

fn count(api: &Api, request: &Request) -> Counted {
    let path = request.uri().path();
    if path == FREE || path.strip_prefix(FREE).is_some_and(|rest| rest.starts_with('/')) {
        return Ok(None);
    }
    let address = client_address(api, request.headers(), request.extensions());
    if AUTH.contains(&path) { api.limits().auth(address) } else { api.limits().anonymous(address) }
}

/// Counts a request to a public route.
pub(crate) async fn limit_public(State(api): State<Api>, request: Request, next: Next) -> Response {
    match count(&api, &request) {
        Ok(standing) => noted(next.run(request).await, standing),
        Err(standing) => {
            discard(request.into_body()).await;
            noted(ApiFailure::rate_limited(&standing).into_response(), Some(standing))
        }
    }
}

/// Answers where there is no route, which is counted too.
pub(crate) async fn no_route(State(api): State<Api>, request: Request) -> Response {
    let counted = count(&api, &request);
    discard(request.into_body()).await;
    match counted {
        Ok(standing) => noted(ApiFailure::no_route().into_response(), standing),
        Err(standing) => noted(ApiFailure::rate_limited(&standing).into_response(), Some(standing)),
    }
}

/// The response with what is left.
pub(crate) fn noted(mut response: Response, standing: Option<Standing>) -> Response {
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    response
}
