//! `DELETE /sandboxes?label=` and `POST /sandboxes/stop?label=`

use atoll_api_types::{BulkFailure, BulkResult};
use atoll_engine::{Bulk, BulkOutcome};
use atoll_types::{Label, SandboxId};
use axum::extract::State;
use serde::Deserialize;

use super::list::labels;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{Problems, Query};

/// Which sandboxes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BulkQuery {
    /// Those with this label, `key=value`; given several times, those with all of them.
    #[serde(default)]
    #[param(required = true)]
    label: Vec<String>,
}

impl BulkQuery {
    fn labels(&self) -> Result<Vec<(Label, Label)>, ApiFailure> {
        let mut problems = Problems::default();
        let labels = labels(&mut problems, &self.label);
        problems.finish(Some(labels))
    }
}

fn view(outcome: BulkOutcome) -> BulkResult {
    let failure = |(id, error): (SandboxId, atoll_engine::EngineError)| BulkFailure {
        id: id.into(),
        code: error.code.as_str().to_owned(),
        message: error.message,
    };
    BulkResult {
        ids: outcome.done.into_iter().map(String::from).collect(),
        failed: outcome.failed.into_iter().map(failure).collect(),
    }
}

/// Delete all of one's sandboxes with a label.
///
/// Without a label it is refused. One that fails does not keep the others from it.
#[utoipa::path(delete, path = "/sandboxes", tag = "sandboxes", params(BulkQuery))]
pub(crate) async fn delete_sandboxes(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<BulkQuery>,
) -> Result<Ok<BulkResult>, ApiFailure> {
    data(view(api.engine().sandbox_bulk(&caller, &query.labels()?, Bulk::Delete).await?))
}

/// Stop all of one's sandboxes with a label.
///
/// Without a label it is refused. One that fails does not keep the others from it.
#[utoipa::path(post, path = "/sandboxes/stop", tag = "sandboxes", params(BulkQuery))]
pub(crate) async fn stop_sandboxes(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Query(query): Query<BulkQuery>,
) -> Result<Ok<BulkResult>, ApiFailure> {
    data(view(api.engine().sandbox_bulk(&caller, &query.labels()?, Bulk::Stop).await?))
}
