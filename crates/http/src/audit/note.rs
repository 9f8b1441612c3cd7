//! The layer that notes what requests change.

use std::collections::BTreeMap;

use atoll_engine::AuditRequest;
use atoll_types::AuditOutcome;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::actions::action;
use crate::Api;
use crate::access::{Authenticated, client_address};
use crate::answer::{ApiFailure, TraceId};
use crate::public_sessions::sandbox_part;

/// Route of one public session.
const ONE_SESSION: &str = "/sessions/{id}";
/// Characters of a name in the path that are noted.
const NAME_CHARS_MAX: usize = 256;

/// Gives a request that changes something its entry in the audit log, which is there before the answer.
pub(crate) async fn audited(State(api): State<Api>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let Some(action) = route.and_then(|route| action(request.method(), route.as_str())) else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let about = about(&api, &mut parts, action).await;
    let request = Request::from_parts(parts, body);
    let caller = request.extensions().get::<Authenticated>().map(|known| known.0.clone());
    let scope = api.engine().audit_scope(caller.as_ref(), about);
    let response = scope.run(next.run(request)).await;
    let code = ApiFailure::code_of(&response);
    if let Some(outcome) = outcome(response.status(), scope.is_noted()) {
        api.engine().audit_end(&scope, outcome, code).await;
    }
    response
}

/// What the request itself says.
async fn about(api: &Api, parts: &mut axum::http::request::Parts, action: String) -> AuditRequest {
    let is_session = parts.extensions.get::<MatchedPath>().is_some_and(|path| path.as_str() == ONE_SESSION);
    // The id of a public session is the right to it: what stands behind its first part is no business of the log.
    let noted = |value: &str| shown(if is_session { sandbox_part(value) } else { value });
    let params = RawPathParams::from_request_parts(parts, &()).await;
    let params: Vec<(String, String)> = params.map_or_else(
        |_| Vec::new(),
        |params| params.iter().map(|(name, value)| (name.to_owned(), noted(value))).collect(),
    );
    let mut params = params.into_iter();
    let target = params.next().map(|(_, value)| value);
    let detail: BTreeMap<String, String> =
        params.map(|(name, value)| (name.trim_end_matches("_id").to_owned(), value)).collect();
    AuditRequest {
        action,
        target,
        detail,
        trace_id: parts.extensions.get::<TraceId>().map(ToString::to_string).unwrap_or_default(),
        address: Some(client_address(api, &parts.headers, &parts.extensions)),
    }
}

fn shown(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

/// How it went; none where nothing happened that anybody asks about: the request was wrong, and changed nothing. Else whoever
/// sends wrong requests without end would push out the rest.
fn outcome(status: StatusCode, is_noted: bool) -> Option<AuditOutcome> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(AuditOutcome::Refused),
        status if status.is_server_error() => Some(AuditOutcome::Failed),
        status if status.is_client_error() => is_noted.then_some(AuditOutcome::Failed),
        // What is said then is noted where it is done.
        StatusCode::SWITCHING_PROTOCOLS => None,
        _ => Some(AuditOutcome::Done),
    }
}
