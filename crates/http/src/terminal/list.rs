//! `GET /sandboxes/{id}/terminals`

use atoll_api_types::Terminal;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::terminal_view;
use crate::extract::{Path, SandboxPath};

/// List the terminals of a sandbox, by name. There are 16 at most, so this is always the whole list.
#[utoipa::path(get, path = "/sandboxes/{id}/terminals", tag = "terminals", params(SandboxPath))]
pub(crate) async fn list_terminals(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SandboxPath>,
) -> Result<Page<Terminal>, ApiFailure> {
    let held = api.engine().terminal_list(&caller, &path.id).await?;
    Ok(Page { items: held.into_iter().map(terminal_view).collect(), next_cursor: None })
}
