//! `DELETE /sandboxes/{id}/files/{path}`

use atoll_api_types::Deleted;
use axum::extract::State;
use serde::Deserialize;

use super::at::{FileRoute, user};
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::Query;

/// How a file is deleted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// User of the sandbox whose rights and home count; the one of its execs when absent.
    user: Option<String>,
    /// A directory with all that is in it.
    #[param(default = false)]
    recursive: Option<bool>,
}

/// Delete a file, a link or an empty directory; with `recursive` a directory with all that is in it.
#[utoipa::path(delete, path = "/sandboxes/{id}/files/{*path}", tag = "files", params(FileRoute, DeleteQuery))]
pub(crate) async fn delete_file(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    file: FileRoute,
    Query(query): Query<DeleteQuery>,
) -> Result<Ok<Deleted>, ApiFailure> {
    let id = String::from_utf8_lossy(file.path.as_bytes()).into_owned();
    let files = api.engine().files(&caller, &file.id, user(query.user)?, file.path, true)?;
    files.remove(query.recursive.unwrap_or_default()).await?;
    data(Deleted { id, deleted: true })
}
