//! `GET /sandboxes/{id}/files`

use atoll_api_types::File;
use atoll_types::FilePath;
use axum::extract::{RawQuery, State};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::at::{path_of_query, user};
use super::view;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::extract::{Path, Problems, Query, SandboxPath, page_bounds};

/// Which directory.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListFilesQuery {
    /// Path of the directory, absolute or from the home of the user; the home when absent.
    #[serde(rename = "path")]
    #[param(rename = "path", value_type = Option<String>, example = "/etc")]
    _path: Option<String>,
    /// User of the sandbox whose rights and home count; the one of its execs when absent.
    user: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// Items of a page, 1 to 1000.
    #[param(default = 50, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// List a directory, in the order of the names' bytes.
#[utoipa::path(get, path = "/sandboxes/{id}/files", tag = "files", params(SandboxPath, ListFilesQuery))]
pub(crate) async fn list_files(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(sandbox): Path<SandboxPath>,
    Query(query): Query<ListFilesQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Page<File>, ApiFailure> {
    let mut problems = Problems::default();
    let (cursor, limit) = page_bounds(&mut problems, query.cursor, query.limit);
    let after = match cursor {
        Some(cursor) => problems.check(
            "query.cursor",
            URL_SAFE_NO_PAD.decode(cursor).map_err(|_| "must be a nextCursor that this list gave out"),
        ),
        None => Some(Vec::new()),
    };
    let after = problems.finish(after)?;
    let path = path_of_query(raw.as_deref())?;
    let at = path.clone().unwrap_or_else(FilePath::home);
    let files = api.engine().files(&caller, &sandbox.id, user(query.user)?, at.clone(), true)?;
    let page = files.list(&after, limit).await?;
    let last = page.entries.last().filter(|_| page.more);
    let next_cursor = last.map(|last| URL_SAFE_NO_PAD.encode(&last.name));
    let items = page.entries.into_iter().map(|entry| view::file_in(at.as_bytes(), entry)).collect();
    Ok(Page { items, next_cursor })
}
