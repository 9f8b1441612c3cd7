//! `GET /sandboxes/{id}/background/{job_id}`

use atoll_api_types::Job;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::job_view;
use crate::extract::{JobPath, Path};

/// Show a background job.
#[utoipa::path(get, path = "/sandboxes/{id}/background/{job_id}", tag = "background", params(JobPath))]
pub(crate) async fn get_job(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<JobPath>,
) -> Result<Ok<Job>, ApiFailure> {
    data(job_view(api.engine().job_get(&caller, &path.id, &path.job_id).await?))
}
