//! `GET /environments/{id}`

use atoll_api_types::Environment;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::environment_view;
use crate::extract::{EnvironmentPath, Path};

/// Show an environment with its newest version.
#[utoipa::path(get, path = "/environments/{id}", tag = "environments", params(EnvironmentPath))]
pub(crate) async fn get_environment(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<EnvironmentPath>,
) -> Result<Ok<Environment>, ApiFailure> {
    data(environment_view(api.engine().environment_get(&caller, &path.id).await?))
}
