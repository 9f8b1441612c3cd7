//! `DELETE /api-keys/{id}`

use atoll_api_types::Deleted;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{ApiKeyPath, Path};

/// Delete an API key. It stops working within seconds.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "API keys", params(ApiKeyPath))]
pub(crate) async fn delete_api_key(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ApiKeyPath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().api_key_delete(&caller, &path.id).await?;
    data(Deleted { id: path.id.to_string(), deleted: true })
}
