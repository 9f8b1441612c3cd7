//! `POST /api-keys`

use atoll_api_types::{CreateApiKey, CreatedApiKey};
use atoll_types::{ErrorCode, Scopes};
use axum::extract::State;

use crate::Api;
use crate::access::{Authenticated, Grant};
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
    grant: Grant,
    Json(body): Json<CreateApiKey>,
) -> Result<Created<CreatedApiKey>, ApiFailure> {
    let new = new_api_key(body)?;
    let scopes = new.scopes.unwrap_or_else(|| Scopes::usual().both(grant.scopes));
    if !grant.scopes.covers(scopes) {
        let text = format!("a key makes no key that may more than itself; this one has: {}", grant.scopes);
        return Err(ApiFailure::new(ErrorCode::MissingScope, text));
    }
    let made = api.engine().api_key_create(&caller, new.name, new.expires_in, scopes).await?;
    Ok(Answer(CreatedApiKey { info: api_key_view(made.record), key: made.key }))
}
