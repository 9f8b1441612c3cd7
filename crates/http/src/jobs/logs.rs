//! `GET /sandboxes/{id}/background/{job_id}/logs`

use atoll_api_types::Logs;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{JobPath, Path, Query};
use crate::sandboxes::logs::{LogsQuery, log_query, logs_view};

/// Show what the last runs of a background job wrote.
#[utoipa::path(
    get,
    path = "/sandboxes/{id}/background/{job_id}/logs",
    tag = "background",
    params(JobPath, LogsQuery)
)]
pub(crate) async fn get_job_logs(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<JobPath>,
    Query(query): Query<LogsQuery>,
) -> Result<Ok<Logs>, ApiFailure> {
    let query = log_query(query.tail, query.since)?;
    data(logs_view(api.engine().job_logs(&caller, &path.id, &path.job_id, query).await?))
}
