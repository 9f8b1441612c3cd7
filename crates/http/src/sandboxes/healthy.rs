//! Waiting for what a request made or started.

use std::time::Duration;

use atoll_engine::{Caller, Engine, SandboxView};
use atoll_types::{ErrorCode, SandboxId};
use serde_json::json;

use crate::answer::ApiFailure;

/// Waits until they are healthy. What is not is kept: the failure has the ids.
pub(super) async fn wait(
    engine: &Engine,
    caller: &Caller,
    ids: &[SandboxId],
    within: Duration,
) -> Result<Vec<SandboxView>, ApiFailure> {
    engine.sandbox_wait_healthy(caller, ids, within).await.map_err(|error| {
        let not_healthy = error.code == ErrorCode::SandboxNotHealthy;
        let failure = ApiFailure::from(error);
        let ids: Vec<&str> = ids.iter().map(SandboxId::as_str).collect();
        if not_healthy { failure.with_details(json!({ "sandboxIds": ids })) } else { failure }
    })
}

/// Said where there is nothing that could tell.
pub(super) fn needs_check(field: &str) -> ApiFailure {
    ApiFailure::field(field, "needs a health check: give healthCheck, here or in the environment")
}
