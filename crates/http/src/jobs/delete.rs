//! `DELETE /sandboxes/{id}/background/{job_id}`

use atoll_api_types::Deleted;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{JobPath, Path};

/// Stop and remove a background job.
///
/// Its process group gets TERM, and KILL after ten seconds; then the job is gone. What it wrote stays with its execs. Where the
/// sandbox is neither up nor down, nothing is changed: 409.
#[utoipa::path(delete, path = "/sandboxes/{id}/background/{job_id}", tag = "background", params(JobPath))]
pub(crate) async fn delete_job(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<JobPath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().job_delete(&caller, &path.id, &path.job_id).await?;
    data(Deleted { id: path.job_id.to_string(), deleted: true })
}
