//! `WS /sandboxes/{id}/stream`

use std::collections::BTreeMap;
use std::sync::Arc;

use atoll_api_types::{Encoding, ExecEvent};
use atoll_types::{ErrorCode, ExecId};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::follow::Follow;
use crate::Api;
use crate::access::{Held, token_protocol};
use crate::answer::{ApiFailure, TraceId};
use crate::bounds::STREAM_MESSAGE_BYTES_MAX;
use crate::extract::{Path, Query, SandboxPath};

/// Which events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// Id of the exec.
    exec_id: String,
    /// Only events after this number: what a client that was cut off has seen already.
    #[param(default = 0)]
    after_seq: Option<u64>,
    /// How `data` is written.
    #[param(default = "utf8")]
    encoding: Option<Encoding>,
    /// The token, for clients that cannot set headers. It is never logged.
    #[serde(rename = "token")]
    #[param(value_type = Option<String>)]
    _token: Option<String>,
}

/// A connection that becomes a WebSocket.
#[derive(Debug)]
pub(crate) struct Upgraded(Response);

/// Stream the events of an exec (WebSocket).
///
/// Every message is one event, from `after_seq` on, without gaps. After the exit event the connection is closed with 1000.
/// What goes wrong is told by the failure envelope as a message, and the close code 4000 plus its HTTP status: 4404 when
/// there is no such exec, 4410 when the events asked for are no longer held. 1001 means that Atoll is being restarted:
/// connect again with `after_seq`. An exec that was lost ends with an exit event whose `exit_code` is null.
#[utoipa::path(get, path = "/sandboxes/{id}/stream", tag = "execs", params(SandboxPath, StreamQuery))]
pub(crate) async fn stream_exec(
    State(api): State<Api>,
    held: Held,
    Path(path): Path<SandboxPath>,
    Query(query): Query<StreamQuery>,
    Extension(trace): Extension<TraceId>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Upgraded, ApiFailure> {
    let refused =
        |_| ApiFailure::new(ErrorCode::InvalidRequest, "this route is a WebSocket: connect to it with ws://");
    let upgrade = upgrade.map_err(refused)?;
    let exec: ExecId = query
        .exec_id
        .parse()
        .map_err(|_| ApiFailure::new(ErrorCode::ExecNotFound, "there is no such exec"))?;
    let permit = Arc::clone(api.streams()).try_acquire_owned();
    let permit = permit
        .map_err(|_| ApiFailure::new(ErrorCode::RateLimited, "too many streams at once; close some"))?;
    let follow = Follow {
        api,
        held,
        sandbox: path.id,
        exec,
        after_seq: query.after_seq.unwrap_or(0),
        encoding: query.encoding.unwrap_or_default(),
        trace,
        permit,
    };
    let upgrade = upgrade.max_message_size(STREAM_MESSAGE_BYTES_MAX).protocols(token_protocol(&headers));
    Ok(Upgraded(upgrade.on_upgrade(move |socket| follow.run(socket))))
}

impl IntoResponse for Upgraded {
    fn into_response(self) -> Response {
        self.0
    }
}

impl IntoResponses for Upgraded {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let event = ContentBuilder::new().schema(Some(Ref::from_schema_name(ExecEvent::name()))).build();
        let switched = ResponseBuilder::new()
            .description("The connection becomes a WebSocket; each message is one such event.")
            .content("application/json", event);
        ResponsesBuilder::new().response("101", switched).build().into()
    }
}
