//! `PATCH /sandboxes/{id}/files/{path}`

use atoll_api_types::{ChangeFile, File};
use atoll_ports::FileChange;
use axum::extract::State;
use serde::Deserialize;

use super::at::{FileRoute, checked, user};
use super::view;
use super::write::mode;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Json, Query};

/// As whom.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeQuery {
    /// User of the sandbox whose rights and home count; the one of its execs when absent.
    user: Option<String>,
}

/// Move a file or a directory, or change its rights, or both.
///
/// A link is moved itself; rights are those of what it leads to. To another file system only a regular file is moved.
#[utoipa::path(patch, path = "/sandboxes/{id}/files/{*path}", tag = "files", params(FileRoute, ChangeQuery))]
pub(crate) async fn change_file(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    file: FileRoute,
    Query(query): Query<ChangeQuery>,
    Json(body): Json<ChangeFile>,
) -> Result<Ok<File>, ApiFailure> {
    if body.to.is_none() && body.mode.is_none() {
        return Err(ApiFailure::field("body", "must have 'to', 'mode' or both"));
    }
    let to = body.to.map(|to| checked("to", to.into_bytes())).transpose()?;
    let change = FileChange { to, overwrite: body.overwrite, mode: mode("mode", body.mode)? };
    let files = api.engine().files(&caller, &file.id, user(query.user)?, file.path, true)?;
    data(view::file(files.change(&change).await?))
}
