//! Life times and idle times, on the real clock.

use std::time::Duration;

use atoll_api_types::CreateSandbox;

use crate::harness::{Atoll, until};

/// Time for what has a second of life: the clocks are looked at every second.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_life_that_is_over_ends_by_delete_or_stop() {
    let atoll = Atoll::start().await;
    let short = CreateSandbox { ttl_seconds: Some(1), ..CreateSandbox::default() };
    let deleted = atoll.create_with(&short).await;
    let stopped = atoll.create_with(&CreateSandbox { on_expiry: Some("stop".to_owned()), ..short }).await;
    until("the sandbox is deleted", PATIENCE, async || atoll.client.sandbox_get(&deleted.id).await.err())
        .await;
    let seen = until("the sandbox is stopped", PATIENCE, async || {
        Some(stopped.get().await).filter(|sandbox| sandbox.state == "stopped")
    });
    assert_eq!(seen.await.state_reason.as_deref(), Some("expired"));
    atoll.assert_healthy();
    atoll.finish().await;
}

#[tokio::test]
async fn an_idle_sandbox_stops_and_a_busy_one_does_not() {
    let atoll = Atoll::start().await;
    let idle = CreateSandbox { idle_ttl_seconds: Some(2), ..CreateSandbox::default() };
    let (quiet, busy) = (atoll.create_with(&idle).await, atoll.create_with(&idle).await);
    busy.begin("sleep 300").await;
    let seen = until("the sandbox is stopped", PATIENCE, async || {
        Some(quiet.get().await).filter(|sandbox| sandbox.state == "stopped")
    });
    assert_eq!(seen.await.state_reason.as_deref(), Some("idle"));
    assert_eq!(busy.get().await.state, "running");
    atoll.finish().await;
}
