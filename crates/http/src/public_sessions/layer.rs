//! The limit before the routes of sessions. Whoever has a class link, or a session, is not counted by his address: thirty
//! students have one.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Sessions;
use super::create::class_of;
use crate::Api;
use crate::access::client_address;
use crate::answer::ApiFailure;
use crate::extract::discard;
use crate::limit::{Counted, noted};

/// Path of one session, before its id.
const ONE: &str = "/sessions/";

/// What a request is counted as, if it is one of somebody who is known by what he has.
fn known(sessions: &Sessions, request: &Request) -> Option<Counted> {
    let uri = request.uri();
    if let Some(id) = uri.path().strip_prefix(ONE) {
        let sandbox = sessions.settings.keys.sandbox(id)?;
        return Some(sessions.session_request(&sandbox));
    }
    let class = sessions.settings.keys.class(&class_of(uri)?)?;
    Some(sessions.class_request(&class.id))
}

/// Counts a request to a route of sessions.
pub(crate) async fn limit_sessions(State(api): State<Api>, request: Request, next: Next) -> Response {
    let known = api.sessions().and_then(|sessions| known(sessions, &request));
    let counted = known.unwrap_or_else(|| {
        api.limits().anonymous(client_address(&api, request.headers(), request.extensions()))
    });
    match counted {
        Ok(standing) => noted(next.run(request).await, standing),
        Err(standing) => {
            discard(request.into_body()).await;
            noted(ApiFailure::rate_limited(&standing).into_response(), Some(standing))
        }
    }
}
