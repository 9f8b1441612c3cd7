//! `GET /sandboxes/{id}/metrics/history`

use atoll_api_types::{MetricsHistory, MetricsPoint};
use atoll_engine::{Resolution, UsagePoint};
use atoll_types::Timestamp;
use axum::extract::State;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Path, Problems, Query, SandboxPath};

/// Which past.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// `10s`, for the last hour, or `1m`, for the last day.
    #[param(default = "10s")]
    resolution: Option<String>,
    /// Only from this moment on, RFC 3339.
    since: Option<String>,
}

/// Show what a sandbox used over time.
///
/// In memory: it begins with the server's start, and a sandbox that is deleted takes it along. Of more than 1,000 sandboxes those that
/// came first have one.
#[utoipa::path(
    get,
    path = "/sandboxes/{id}/metrics/history",
    tag = "sandboxes",
    params(SandboxPath, HistoryQuery)
)]
pub(crate) async fn get_metrics_history(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Query(query): Query<HistoryQuery>,
) -> Result<Ok<MetricsHistory>, ApiFailure> {
    let mut problems = Problems::default();
    let words = [("10s", Resolution::TenSeconds), ("1m", Resolution::Minute)];
    let resolution = problems.word("query.resolution", query.resolution.as_deref(), &words);
    let since = query.since.and_then(|text| problems.check("query.since", moment(&text)));
    let resolution = problems.finish(Some(resolution.unwrap_or(Resolution::TenSeconds)))?;
    let points = api.engine().sandbox_history(&caller, &path.id, resolution, since)?;
    let interval_seconds = match resolution {
        Resolution::TenSeconds => 10,
        Resolution::Minute => 60,
    };
    data(MetricsHistory { interval_seconds, points: points.iter().map(point_view).collect() })
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339).ok();
    let ms = parsed.and_then(|time| i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok());
    ms.map(Timestamp::from_unix_ms).ok_or("must be a moment such as 2026-01-15T12:00:00Z")
}

fn point_view(point: &UsagePoint) -> MetricsPoint {
    let tenths = |percent: f32| (f64::from(percent) * 10.0).round() / 10.0;
    MetricsPoint {
        time: point.at.to_rfc3339(),
        cpu_percent: tenths(point.cpu_percent),
        system_percent: tenths(point.system_percent),
        memory_bytes: whole(point.memory_bytes),
        pids: whole(point.pids),
        rx_bytes: whole(point.rx_bytes),
        tx_bytes: whole(point.tx_bytes),
        read_bytes: whole(point.read_bytes),
        write_bytes: whole(point.write_bytes),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "they were whole and not negative"
)]
fn whole(number: f32) -> u64 {
    number.round() as u64
}
