//! `GET /sandboxes`

use atoll_api_types::Sandbox;
use atoll_types::{Label, Status, bounds};
use axum::extract::State;
use serde::Deserialize;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::convert::{environment_id, sandbox_view};
use crate::extract::{Problems, Query, page_bounds};

/// Which sandboxes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only in this state.
    #[param(example = "running")]
    state: Option<String>,
    /// Only with this label, `key=value`; may be given several times.
    #[serde(default)]
    label: Vec<String>,
    /// Only those that were made of this environment, in any version.
    environment: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// Items of a page, 1 to 1000.
    #[param(default = 50, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// List one's sandboxes, newest first.
#[utoipa::path(get, path = "/sandboxes", tag = "sandboxes", params(ListQuery))]
pub(crate) async fn list_sandboxes(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<ListQuery>,
) -> Result<Page<Sandbox>, ApiFailure> {
    let mut problems = Problems::default();
    let (cursor, limit) = page_bounds(&mut problems, query.cursor, query.limit);
    let states = Status::ALL.map(|status| (status.as_str(), status));
    let state = problems.word("query.state", query.state.as_deref(), &states);
    let labels = labels(&mut problems, &query.label);
    let environment = environment_id(&mut problems, "query.environment", query.environment);
    let (labels, state, environment) = problems.finish(Some((labels, state, environment)))?;
    let page =
        api.engine().sandbox_list(&caller, labels, environment, state, cursor.as_deref(), limit).await?;
    Ok(Page::of(page, sandbox_view))
}

pub(super) fn labels(problems: &mut Problems, given: &[String]) -> Vec<(Label, Label)> {
    if given.len() > bounds::LABELS_MAX {
        problems.add("query.label", format!("must be given at most {} times", bounds::LABELS_MAX));
        return Vec::new();
    }
    let parse = |text: &String| {
        let (key, value) = text.split_once('=')?;
        Some((key.parse().ok()?, value.parse().ok()?))
    };
    let parsed: Option<Vec<_>> = given.iter().map(parse).collect();
    parsed.unwrap_or_else(|| {
        let expected = "must be key=value, both of 1 to 63 characters of letters, digits, '-', '_', '.', '/'";
        problems.add("query.label", expected);
        Vec::new()
    })
}
