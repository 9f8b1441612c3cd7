//! The audit log, events and quotas of the real programs.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use atoll_client::AuditQuery;
use serde_json::Value;

use crate::harness::{Atoll, Role, until};

const SOON: Duration = Duration::from_secs(20);

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_chain_after_a_kill() {
    let mut atoll = Atoll::start().await;
    let id = atoll.create().await.id;
    for round in 0..3 {
        let sandbox = crate::harness::Inside { atoll: &atoll, id: id.clone() };
        for n in 0..20 {
            sandbox.ok(&format!("echo {round} {n}")).await;
        }
        atoll.kill(Role::Serve);
        atoll.ready().await;
    }
    let query =
        AuditQuery { limit: Some(1_000), action: Some("exec.start".to_owned()), ..AuditQuery::default() };
    let found = atoll.client.audit_list(&query, None).await.unwrap().items;
    let commands: Vec<&str> =
        found.iter().filter_map(|e| e.detail.get("command")).map(String::as_str).collect();
    for round in 0..3 {
        for n in 0..20 {
            let line = format!("echo {round} {n}");
            assert_eq!(commands.iter().filter(|c| **c == line).count(), 1, "{line}: {commands:?}");
        }
    }
    let check = json(&atoll.cli(&["admin", "audit", "verify", "--output", "json"]));
    assert_eq!((&check["intact"], &check["firstSeq"]), (&true.into(), &1.into()), "{check}");
    let kept = format!("{}:{}", check["lastSeq"], check["lastHash"].as_str().unwrap());
    atoll.client.sandbox_stop(&id).await.unwrap();
    assert!(atoll.cli(&["admin", "audit", "verify", "--kept", &kept]).status.success());
    let forged = format!("{}:{}", check["lastSeq"], "0".repeat(64));
    let broken = atoll.cli(&["admin", "audit", "verify", "--kept", &forged]);
    assert_eq!(broken.status.code(), Some(1), "{broken:?}");
    let table = String::from_utf8(atoll.cli(&["audit", "--target", id.as_str()]).stdout).unwrap();
    assert!(table.lines().last().unwrap().contains("sandbox.stop"), "{table}");
    atoll.finish().await;
}

#[tokio::test]
async fn events_are_told_and_gone_after_a_restart() {
    let atoll = Atoll::start().await;
    let mut listen = atoll.cli_command("atoll", &["events", "--count", "2", "--output", "json"]);
    let mut child = listen.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<String>>());
    // It listens from when it is connected: sandboxes are made until it has heard of two changes.
    until("two events", SOON, async || {
        let sandbox = atoll.create().await;
        atoll.client.sandbox_delete(&sandbox.id).await.unwrap();
        child.try_wait().unwrap()
    })
    .await;
    let lines = reader.join().unwrap();
    let event: Value = serde_json::from_str(&lines[0]).unwrap();
    assert!(event["type"].as_str().unwrap().starts_with("sandbox."), "{event}");
    let mut atoll = atoll;
    atoll.kill(Role::Serve);
    atoll.ready().await;
    let gone = atoll.cli(&["events", "--after", event["id"].as_str().unwrap(), "--output", "json"]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("events_expired"), "{gone:?}");
    atoll.finish().await;
}

#[tokio::test]
async fn usage_and_history_show_what_is_used() {
    let atoll = Atoll::start_with(&["--cpu-per-user", "1.5"]).await;
    let sandbox = atoll.create().await;
    let refused = atoll.client.sandbox_create(&atoll_api_types::CreateSandbox::default()).await.unwrap_err();
    assert_eq!(refused.code(), Some("quota_exceeded"), "{refused}");
    let usage = json(&atoll.cli(&["usage", "--output", "json"]));
    assert_eq!((&usage["cpu"]["used"], &usage["cpu"]["quota"]), (&1.0.into(), &1.5.into()), "{usage}");
    let table = String::from_utf8(atoll.cli(&["usage"]).stdout).unwrap();
    assert!(table.contains("execs in an hour"), "{table}");
    let me = atoll.client.me().await.unwrap().id;
    let set = json(&atoll.cli(&["admin", "quota", "set", &me, "--cpu", "4", "--output", "json"]));
    assert_eq!(set["own"]["cpu"], 4.0, "{set}");
    atoll.client.sandbox_create(&atoll_api_types::CreateSandbox::default()).await.unwrap();
    sandbox.begin("while :; do :; done").await;
    let busy = until("a point of its past", Duration::from_secs(60), async || {
        let past = atoll.client.metrics_history(&sandbox.id, "10s").await.unwrap();
        past.points.into_iter().find(|point| point.cpu_percent > 5.0)
    })
    .await;
    assert!(busy.memory_bytes > 0 && busy.pids > 0, "{busy:?}");
    atoll.finish().await;
}
