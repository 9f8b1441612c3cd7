//! `GET /environments/{id}/versions/diff`

use atoll_api_types::EnvironmentDiff;
use axum::extract::State;
use serde::Deserialize;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::convert::{differences, version_view};
use crate::extract::{EnvironmentPath, Path, Query};

/// Which versions.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiffQuery {
    /// The first; the one before the other when absent.
    from: Option<u32>,
    /// The second; the newest when absent.
    to: Option<u32>,
}

/// Show what two versions of an environment differ in.
#[utoipa::path(
    get,
    path = "/environments/{id}/versions/diff",
    tag = "environments",
    params(EnvironmentPath, DiffQuery)
)]
pub(crate) async fn diff_environment_versions(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<EnvironmentPath>,
    Query(query): Query<DiffQuery>,
) -> Result<Ok<EnvironmentDiff>, ApiFailure> {
    let to = match query.to {
        Some(to) => to,
        None => api.engine().environment_get(&caller, &path.id).await?.version,
    };
    let from = query.from.unwrap_or_else(|| to.saturating_sub(1).max(1));
    let old = version_view(api.engine().environment_version(&caller, &path.id, from).await?);
    let new = version_view(api.engine().environment_version(&caller, &path.id, to).await?);
    let changes = differences(&old.definition, &new.definition).map_err(ApiFailure::internal)?;
    data(EnvironmentDiff { from, to, changes })
}
