//! `GET /events`: what happens, as server-sent events.
//!
//! A listener is served from the events that the engine holds, at his own pace; nothing is queued for him. One who falls so far
//! behind that what comes next is gone is told so, and his stream ends.

mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use atoll_api_types::Event;
use atoll_types::ErrorCode;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::Api;
use crate::access::{Held, allowed};
use crate::answer::{ApiFailure, TraceId};
use crate::extract::Query;
use stream::Listener;

/// Longest id of an event, in characters.
const ID_CHARS_MAX: usize = 64;

/// Where to begin.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Id of the last event that was seen; the header `Last-Event-ID` comes before it.
    after: Option<String>,
}

/// Listen to what happens (server-sent events).
///
/// Every change that the caller may see: of sandboxes, execs, images, keys and the like. After a cut the stream goes on behind
/// `Last-Event-ID`; `410` with `events_expired` says that what came behind it is not held any more, as after a restart of the server:
/// look at what there is, and listen without an id. A comment every 15 seconds shows that the connection lives.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that was seen."))
)]
pub(crate) async fn listen_to_events(
    State(api): State<Api>,
    held: Held,
    Extension(trace): Extension<TraceId>,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Listening, ApiFailure> {
    let header = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("unreadable").to_owned());
    let after = header.filter(|id| !id.is_empty()).or(query.after);
    if after.as_ref().is_some_and(|id| id.len() > ID_CHARS_MAX) {
        return Err(ApiFailure::field("query.after", "must be the id of an event"));
    }
    let permit = Arc::clone(api.streams()).try_acquire_owned();
    let permit = permit
        .map_err(|_| ApiFailure::new(ErrorCode::RateLimited, "too many streams at once; close some"))?;
    let feed = api.engine().events(&held.caller, after.as_deref())?;
    let stopping = api.settings().stopping.clone();
    let listener = Listener::new(feed, stopping, permit, trace);
    Ok(Listening(listener.into_body(allowed(api, held))))
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Listening(axum::body::Body);

impl IntoResponse for Listening {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.0);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Proxies that gather answers would hold events back.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

impl IntoResponses for Listening {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let event = ContentBuilder::new().schema(Some(Ref::from_schema_name(Event::name()))).build();
        let stream = ResponseBuilder::new()
            .description("Server-sent events; the data of each is one such object.")
            .content("text/event-stream", event);
        ResponsesBuilder::new().response("200", stream).build().into()
    }
}
