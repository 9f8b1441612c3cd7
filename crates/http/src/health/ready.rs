//! `GET /health/ready`

use atoll_api_types::Probe;
use axum::extract::State;
use axum::http::StatusCode;

use crate::Api;
use crate::answer::Bare;

/// Say whether requests can be served: the first reconcile is done, database and native runtime answer.
#[utoipa::path(get, path = "/health/ready", tag = "health")]
pub(crate) async fn get_readiness(State(api): State<Api>) -> Bare<Probe> {
    let is_started = *api.ready().borrow();
    let (status, word) = if !is_started {
        (StatusCode::SERVICE_UNAVAILABLE, "starting")
    } else if api.engine().is_ready().await {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "degraded")
    };
    Bare { status, body: Probe { status: word.to_owned() } }
}
