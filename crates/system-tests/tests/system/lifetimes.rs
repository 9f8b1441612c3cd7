//! Life times and idle times, on the real clock.

use std::time::Duration;

use atoll_api_types::CreateSandbox;

use crate::harness::{Atoll, Role, until};

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

/// Children of the launcher that have ended and that nobody has waited for.
fn unwaited(atoll: &Atoll) -> usize {
    let launcher = atoll.pid(Role::Launcher).unwrap().as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).unwrap();
    let status = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    children.split_whitespace().filter(|pid| status(pid).contains("State:\tZ")).count()
}

/// A folder in which nothing can be made, as long as this lives.
struct Unchangeable(std::path::PathBuf);

impl Unchangeable {
    fn new(folder: std::path::PathBuf) -> Self {
        let this = Self(folder);
        this.change("+i");
        this
    }

    fn change(&self, flag: &str) {
        assert!(std::process::Command::new("chattr").arg(flag).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Unchangeable {
    fn drop(&mut self) {
        self.change("-i");
    }
}

#[tokio::test]
async fn a_start_that_fails_beside_its_first_process_leaves_none() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    atoll.client.sandbox_stop(&sandbox.id).await.unwrap();
    // The agent's socket is bound while its process makes mounts; here it cannot be.
    let closed = Unchangeable::new(atoll.data().join("run/agents"));
    let started = atoll.client.sandbox_start(&sandbox.id).await;
    drop(closed);
    assert!(started.unwrap_err().code().is_some());
    until("nobody waits for it", PATIENCE, async || (unwaited(&atoll) == 0).then_some(())).await;
    assert!(
        std::fs::read_to_string(sandbox.group("pids").join("cgroup.procs")).unwrap_or_default().is_empty()
    );
    atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.ok("echo up").await, "up\n");
    atoll.finish().await;
}
