//! `/environments/{id}/secrets`, and the master key that seals them.

use atoll_api_types::{Deleted, RotatedMasterKey, Secret, SecretBody};
use atoll_ports::SecretRecord;
use atoll_types::{SecretName, SecretValue};
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created, Ok, Page, data};
use crate::extract::{EnvironmentPath, Json, Path, Problems, SecretPath};

fn secret_view(secret: SecretRecord) -> Secret {
    Secret {
        key: secret.name.into(),
        created_at: secret.created_at.to_rfc3339(),
        updated_at: secret.updated_at.to_rfc3339(),
    }
}

/// The checked body. What is wrong with a value is said without it.
fn checked(body: SecretBody) -> Result<(SecretName, SecretValue), ApiFailure> {
    let mut problems = Problems::default();
    let name = problems.parse::<SecretName>("key", Some(body.key));
    let value = SecretValue::new(body.value).map_err(|error| format!("must be {}", error.expected));
    let value = problems.check("value", value);
    problems.finish(name.zip(value))
}

/// Set a secret of an environment.
///
/// Processes of its sandboxes that start from now on find it in the variable of that name. Its value is kept sealed, and shown to
/// nobody.
#[utoipa::path(post, path = "/environments/{id}/secrets", tag = "environments", params(EnvironmentPath))]
pub(crate) async fn set_secret(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<EnvironmentPath>,
    Json(body): Json<SecretBody>,
) -> Result<Created<Secret>, ApiFailure> {
    let (name, value) = checked(body)?;
    Ok(Answer(secret_view(api.engine().secret_set(&caller, &path.id, name, &value).await?)))
}

/// List the names of an environment's secrets, all in one page.
#[utoipa::path(get, path = "/environments/{id}/secrets", tag = "environments", params(EnvironmentPath))]
pub(crate) async fn list_secrets(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<EnvironmentPath>,
) -> Result<Page<Secret>, ApiFailure> {
    let secrets = api.engine().secret_list(&caller, &path.id).await?;
    Ok(Page { items: secrets.into_iter().map(secret_view).collect(), next_cursor: None })
}

/// Delete a secret of an environment.
///
/// Processes that run keep it.
#[utoipa::path(delete, path = "/environments/{id}/secrets/{key}", tag = "environments", params(SecretPath))]
pub(crate) async fn delete_secret(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SecretPath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().secret_delete(&caller, &path.id, &path.key).await?;
    data(Deleted { id: path.key.into(), deleted: true })
}

/// Rotate the master key of this installation.
///
/// Makes another one, where the server keeps it, and seals every secret with the one that counts. Only for the role admin.
#[utoipa::path(post, path = "/admin/master-key/rotate", tag = "environments")]
pub(crate) async fn rotate_master_key(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
) -> Result<Ok<RotatedMasterKey>, ApiFailure> {
    let rotated = api.engine().rotate_master_key(&caller).await?;
    data(RotatedMasterKey { key_id: rotated.key, resealed: rotated.resealed, unreadable: rotated.unreadable })
}
