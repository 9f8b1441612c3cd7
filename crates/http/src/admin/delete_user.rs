//! `DELETE /admin/users/{id}`

use atoll_api_types::Deleted;
use axum::extract::State;
use serde::Deserialize;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Path, Problems, Query, UserPath};

/// What goes with the account.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteUserQuery {
    /// `delete` deletes its sandboxes too; else an account that has any is refused (`account_in_use`).
    #[param(default = "keep")]
    sandboxes: Option<String>,
}

/// Delete an account with its keys and log-ins.
///
/// Its images become those of whoever deletes it.
#[utoipa::path(delete, path = "/admin/users/{id}", tag = "admin", params(UserPath, DeleteUserQuery))]
pub(crate) async fn delete_user(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<UserPath>,
    Query(query): Query<DeleteUserQuery>,
) -> Result<Ok<Deleted>, ApiFailure> {
    let mut problems = Problems::default();
    let words = [("keep", false), ("delete", true)];
    let text = query.sandboxes.as_deref().unwrap_or("keep");
    let sandboxes = problems.word("query.sandboxes", Some(text), &words);
    let sandboxes = problems.finish(sandboxes)?;
    api.engine().admin_user_delete(&caller, &path.id, sandboxes).await?;
    data(Deleted { id: path.id.to_string(), deleted: true })
}
