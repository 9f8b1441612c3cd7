//! `DELETE /environments/{id}`

use atoll_api_types::Deleted;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{EnvironmentPath, Path};

/// Delete an environment with all its versions.
///
/// Refused while a sandbox exists that was made of it.
#[utoipa::path(delete, path = "/environments/{id}", tag = "environments", params(EnvironmentPath))]
pub(crate) async fn delete_environment(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<EnvironmentPath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().environment_delete(&caller, &path.id).await?;
    data(Deleted { id: path.id.into(), deleted: true })
}
