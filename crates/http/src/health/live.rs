//! `GET /health/live`

use atoll_api_types::Probe;
use axum::http::StatusCode;

use crate::answer::Bare;

/// Say that serve answers.
#[utoipa::path(get, path = "/health/live", tag = "health")]
pub(crate) async fn get_liveness() -> Bare<Probe> {
    Bare { status: StatusCode::OK, body: Probe { status: "ok".to_owned() } }
}
