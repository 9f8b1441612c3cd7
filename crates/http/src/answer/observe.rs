//! The outermost layer: trace id, readiness, panics, failures and the access log.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use atoll_types::ErrorCode;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::trace::TRACE_HEADER;
use super::{ApiFailure, Trace};
use crate::Api;
use crate::access::Authenticated;
use crate::bounds::READY_TIMEOUT;
use crate::observability::Asked;

/// Gives every request its trace id and every answer the same, renders failures, and notes the request.
pub(crate) async fn observe(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let asked = Asked::of(&request, Trace::of(request.headers()));
    let trace = asked.trace.id;
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(trace);
    let answer = async {
        wait_until_ready(&api, route.as_ref()).await?;
        Ok::<_, ApiFailure>(next.run(request).await)
    };
    let response = match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => failure.into_response(),
        Err(panic) => ApiFailure::internal(panic_text(&*panic)).into_response(),
    };
    // A failure becomes another response.
    let known = response.extensions().get::<Authenticated>().cloned();
    let mut response = ApiFailure::render(response, &trace);
    if let Some(known) = known {
        response.extensions_mut().insert(known);
    }
    response.headers_mut().insert(TRACE_HEADER, trace.header());
    api.settings().observability.note(&asked, &response, begun.elapsed());
    response
}

/// Requests that come during a start wait for it, so that a restart is a pause and not an error. Health and the
/// documentation need not wait.
async fn wait_until_ready(api: &Api, route: Option<&MatchedPath>) -> Result<(), ApiFailure> {
    let mut ready = api.ready();
    let waits = route.is_some_and(|route| {
        let route = route.as_str();
        !["/health", "/docs", "/openapi.json", "/metrics"].iter().any(|free| route.starts_with(free))
    });
    if !waits || *ready.borrow() {
        return Ok(());
    }
    // Cancel safe: it only waits.
    match tokio::time::timeout(READY_TIMEOUT, ready.wait_for(|ready| *ready)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => {
            Err(ApiFailure::new(ErrorCode::Unavailable, "Atoll is starting; try again in a moment"))
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    format!("a handler panicked: {text}")
}
