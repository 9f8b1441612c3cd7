//! `GET /metrics`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use atoll_engine::CountsView;
use atoll_ports::Role;
use atoll_types::ErrorCode;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::{ContentBuilder, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, PartialSchema};

use crate::Api;
use crate::access::{Peer, caller};
use crate::answer::ApiFailure;

/// What Prometheus takes for its text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Show what monitors want to know, as Prometheus reads it.
///
/// For programs on the server's own machine, and for whoever has a token, or a key with the scope `metrics:read`; of an admin, where execs are counted by sandbox.
#[utoipa::path(get, path = "/metrics", tag = "health")]
pub(crate) async fn get_metrics(
    State(api): State<Api>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<MetricsPage, ApiFailure> {
    let is_here = peer.is_some_and(|Extension(peer)| peer.is_here(&headers));
    if !is_here {
        let (caller, grant) = caller(&api, &headers, &uri).await?;
        grant.check(&Method::GET, "/metrics")?;
        if api.engine().counts_by_sandbox() && caller.role != Role::Admin {
            let text = "execs are counted by sandbox here, so that only an admin may see the metrics";
            return Err(ApiFailure::new(ErrorCode::Forbidden, text));
        }
    }
    let mut page = api.settings().observability.page();
    write_counts(&mut page, &api.engine().counts().await?);
    Ok(MetricsPage(page))
}

/// The page.
#[derive(Debug)]
pub(crate) struct MetricsPage(String);

impl IntoResponse for MetricsPage {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.0).into_response()
    }
}

impl IntoResponses for MetricsPage {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let text = ContentBuilder::new().schema(Some(String::schema())).build();
        let page = ResponseBuilder::new()
            .description("The metrics in the text format of Prometheus.")
            .content("text/plain", text);
        ResponsesBuilder::new().response("200", page).build().into()
    }
}

/// What is counted when somebody looks. The totals go down too, so they are no counters, and by their names no gauges.
fn write_counts(page: &mut String, counts: &CountsView) {
    let rows = [
        ("sandboxes_running", "gauge", "Sandboxes that run.", counts.sandboxes_running),
        ("sandbox_active", "gauge", "Sandboxes that run.", counts.sandboxes_running),
        ("sessions_active", "gauge", "Public sessions.", counts.sessions),
        ("sandboxes_total", "untyped", "Sandboxes in any state.", counts.sandboxes),
        ("environments_total", "untyped", "Environments.", counts.environments),
        ("users_total", "untyped", "Accounts.", counts.users),
    ];
    for (name, kind, help, value) in rows {
        // Writing to a String cannot fail.
        let _written = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
}
