//! `GET /sandboxes/{id}/search`

use atoll_api_types::FileMatches;
use atoll_ports::FileSearch;
use atoll_types::FilePath;
use axum::extract::{RawQuery, State};
use serde::Deserialize;

use super::at::{path_of_query, user};
use super::view;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::bounds::{SEARCH_MATCHES_DEFAULT, SEARCH_TEXT_BYTES_MAX};
use crate::extract::{Path, Problems, Query, SandboxPath};

/// What is looked for, and where.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// A part of a name, in any case, or of a line. Plain text, no pattern.
    #[param(example = "hello")]
    q: String,
    /// Path of the directory, absolute or from the home of the user; the home when absent.
    #[serde(rename = "path")]
    #[param(rename = "path", value_type = Option<String>, example = "project")]
    _path: Option<String>,
    /// Where it is looked for: `name`, `content` or `all`.
    #[serde(rename = "in")]
    #[param(rename = "in", default = "name")]
    place: Option<String>,
    /// Most matches, 1 to 1000.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// User of the sandbox whose rights and home count; the one of its execs when absent.
    user: Option<String>,
}

/// Look for a text in the names or the contents of files below a directory.
///
/// Stays on one file system, follows no links and passes what the user may not read. Of a content the first 4 MiB and 20
/// matches count, and none of a binary one. After ten seconds or a million files the search ends, which is told.
#[utoipa::path(get, path = "/sandboxes/{id}/search", tag = "files", params(SandboxPath, SearchQuery))]
pub(crate) async fn search_files(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(sandbox): Path<SandboxPath>,
    Query(query): Query<SearchQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Ok<FileMatches>, ApiFailure> {
    let mut problems = Problems::default();
    if query.q.is_empty() || query.q.len() > SEARCH_TEXT_BYTES_MAX {
        problems.add("query.q", format!("must have 1 to {SEARCH_TEXT_BYTES_MAX} bytes"));
    }
    let limit = problems.within("query.limit", query.limit, &(1..=atoll_ports::PAGE_ITEMS_MAX));
    let words = [("name", (true, false)), ("content", (false, true)), ("all", (true, true))];
    let place = problems.word("query.in", Some(query.place.as_deref().unwrap_or("name")), &words);
    let search = place.map(|(in_names, in_contents)| FileSearch {
        text: query.q,
        in_names,
        in_contents,
        limit: limit.unwrap_or(SEARCH_MATCHES_DEFAULT),
    });
    let search = problems.finish(search)?;
    let path = path_of_query(raw.as_deref())?.unwrap_or_else(FilePath::home);
    let files = api.engine().files(&caller, &sandbox.id, user(query.user)?, path, true)?;
    let found = files.search(&search).await?;
    let matches = found.matches.into_iter().map(view::found).collect();
    data(FileMatches { matches, truncated: found.truncated })
}
