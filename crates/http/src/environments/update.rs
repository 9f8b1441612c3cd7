//! `PUT /environments/{id}`

use atoll_api_types::{Environment, UpdateEnvironment};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::{environment_view, next_version};
use crate::extract::{EnvironmentPath, Json, Path};

/// Make the next version of an environment.
///
/// The body is the whole of it. Sandboxes that exist stay as they are.
#[utoipa::path(put, path = "/environments/{id}", tag = "environments", params(EnvironmentPath))]
pub(crate) async fn update_environment(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<EnvironmentPath>,
    Json(body): Json<UpdateEnvironment>,
) -> Result<Ok<Environment>, ApiFailure> {
    let (name, template) = next_version(body)?;
    data(environment_view(api.engine().environment_update(&caller, &path.id, name, template).await?))
}
