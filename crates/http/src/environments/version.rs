//! `GET /environments/{id}/versions/{version}`

use atoll_api_types::EnvironmentVersion;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::version_view;
use crate::extract::{EnvironmentVersionPath, Path};

/// Show one version of an environment.
#[utoipa::path(
    get,
    path = "/environments/{id}/versions/{version}",
    tag = "environments",
    params(EnvironmentVersionPath)
)]
pub(crate) async fn get_environment_version(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<EnvironmentVersionPath>,
) -> Result<Ok<EnvironmentVersion>, ApiFailure> {
    data(version_view(api.engine().environment_version(&caller, &path.id, path.version).await?))
}
