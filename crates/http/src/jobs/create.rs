//! `POST /sandboxes/{id}/background`

use atoll_api_types::{Job, JobBody};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::convert::{job_view, new_job};
use crate::extract::{Json, Path, SandboxPath};

/// Start a background job.
///
/// Answers once it is written down; from then on it is started, and started again as `restart` says, whatever becomes of
/// the server. Its runs are execs.
#[utoipa::path(post, path = "/sandboxes/{id}/background", tag = "background", params(SandboxPath))]
pub(crate) async fn create_job(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
    Json(body): Json<JobBody>,
) -> Result<Created<Job>, ApiFailure> {
    let spec = new_job(body)?;
    Ok(Answer(job_view(api.engine().job_create(&caller, &path.id, spec).await?)))
}
