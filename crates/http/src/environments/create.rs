//! `POST /environments`

use atoll_api_types::{Environment, EnvironmentBody};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::convert::{environment_view, new_environment};
use crate::extract::Json;

/// Define an environment.
///
/// What it says is checked now; that its image exists, only when a sandbox is made of it.
#[utoipa::path(post, path = "/environments", tag = "environments")]
pub(crate) async fn create_environment(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Json(body): Json<EnvironmentBody>,
) -> Result<Created<Environment>, ApiFailure> {
    let (name, template) = new_environment(body)?;
    Ok(Answer(environment_view(api.engine().environment_create(&caller, name, template).await?)))
}
