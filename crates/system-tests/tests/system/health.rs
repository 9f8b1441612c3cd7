//! Health checks, with the real programs.

use std::process::Output;
use std::time::Duration;

use atoll_api_types::Sandbox;

use crate::harness::{Atoll, Inside, Role, until};

/// A check each second, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(60);
const EACH_SECOND: [&str; 4] = ["--health-interval", "1", "--health-retries", "2"];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn create(atoll: &Atoll, check: &str, more: &[&str]) -> Output {
    let words = [&["create", "--health-cmd", check][..], &EACH_SECOND, more].concat();
    atoll.cli(&words)
}

fn made<'a>(atoll: &'a Atoll, output: &Output) -> Inside<'a> {
    assert!(output.status.success(), "{output:?}");
    Inside { atoll, id: crate::harness::parse_id(&text(&output.stdout)) }
}

async fn becomes(sandbox: &Inside<'_>, health: &str) -> Sandbox {
    let look = async || Some(sandbox.get().await).filter(|shown| shown.health == health);
    until(&format!("a sandbox that is {health}"), SOON, look).await
}

#[tokio::test]
async fn a_check_tells_how_a_sandbox_is_over_pauses_and_restarts_of_serve() {
    let mut atoll = Atoll::start().await;
    let out = create(&atoll, "test -e /tmp/well || { echo it is not; exit 4; }", &[]);
    let sandbox = made(&atoll, &out);
    let shown = becomes(&sandbox, "unhealthy").await;
    let result = shown.health_result.unwrap();
    assert_eq!((result.exit_code, result.output.as_str()), (Some(4), "it is not\n"));
    assert!(text(&atoll.cli(&["ls"]).stdout).contains("running (unhealthy)"));
    sandbox.ok("touch /tmp/well").await;
    becomes(&sandbox, "healthy").await;
    assert!(text(&atoll.cli(&["get", sandbox.id.as_str()]).stdout).contains("healthy (last exit 0)"));

    let id = sandbox.id.to_string();
    assert!(atoll.cli(&["pause", &id]).status.success());
    // As long as checks last, and then some: what is frozen is asked nothing.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(sandbox.get().await.health, "healthy");
    assert!(atoll.cli(&["resume", &id]).status.success());
    sandbox.ok("rm /tmp/well").await;
    becomes(&sandbox, "unhealthy").await;
    let sandbox_id = sandbox.id.clone();
    atoll.kill(Role::Serve);
    atoll.ready().await;
    let sandbox = Inside { atoll: &atoll, id: sandbox_id };
    becomes(&sandbox, "unhealthy").await;
    sandbox.ok("touch /tmp/well").await;
    becomes(&sandbox, "healthy").await;
    atoll.delete_all().await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_create_a_start_and_a_run_wait_for_it() {
    let atoll = Atoll::start().await;
    let main = ["--wait", "--", "/bin/sh", "-c", "sleep 1; touch /tmp/up; exec sleep 1000"];
    let sandbox = made(&atoll, &create(&atoll, "test -e /tmp/up", &main));
    assert_eq!(sandbox.get().await.health, "healthy");
    let id = sandbox.id.to_string();
    assert!(atoll.cli(&["stop", &id]).status.success());
    assert_eq!(sandbox.get().await.health, "none");
    let started = atoll.cli(&["start", &id, "--wait", "--wait-timeout", "2m"]);
    assert!(text(&started.stdout).contains("running (healthy)"), "{started:?}");

    let bad = create(&atoll, "echo broken; false", &["--name", "bad", "--wait"]);
    let said = text(&bad.stderr);
    assert!(!bad.status.success() && said.contains("broken") && said.contains("kept"), "{said}");
    assert!(text(&atoll.cli(&["ls"]).stdout).contains("bad"));
    let run = atoll.cli(&["run", "--health-cmd", "true", "--wait", "--", "echo", "ran"]);
    assert_eq!(text(&run.stdout), "ran", "{run:?}");
    let run =
        atoll.cli(&["run", "--health-cmd", "sleep 60", "--wait", "--wait-timeout", "1", "--", "echo", "ran"]);
    assert!(!run.status.success() && text(&run.stdout).is_empty(), "{run:?}");
    let left = atoll.cli(&["ls", "--quiet"]);
    assert_eq!(text(&left.stdout).lines().count(), 2, "a run leaves nothing");
    atoll.delete_all().await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_sandbox_that_is_only_checked_is_idle() {
    let atoll = Atoll::start().await;
    let sandbox = made(&atoll, &create(&atoll, "true", &["--idle", "3", "--wait"]));
    let look = async || Some(sandbox.get().await).filter(|shown| shown.state == "stopped");
    let shown = until("a sandbox that is stopped", SOON, look).await;
    assert_eq!((shown.state_reason.as_deref(), shown.health.as_str()), (Some("idle"), "none"));
    atoll.delete_all().await;
    atoll.finish().await;
}
