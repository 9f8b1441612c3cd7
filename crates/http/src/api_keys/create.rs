//! `POST /api-keys`

use atoll_api_types::{CreateApiKey, CreatedApiKey};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::convert::{api_key_view, new_api_key};
use crate::extract::Json;

/// Make an API key.
///
/// The key is in this answer and never shown again.
#[utoipa::path(post, path = "/api-keys", tag = "API keys")]
pub(crate) async fn create_api_key(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Json(body): Json<CreateApiKey>,
) -> Result<Created<CreatedApiKey>, ApiFailure> {
    let (name, expires_in) = new_api_key(body)?;
    let made = api.engine().api_key_create(&caller, name, expires_in).await?;
    Ok(Answer(CreatedApiKey { info: api_key_view(made.record), key: made.key }))
}
