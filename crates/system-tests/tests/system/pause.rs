//! Pause and resume of real processes, and what dies beside them.

use std::time::Duration;

use atoll_types::ExecId;

use crate::harness::{Atoll, Inside, Role, line, until};

const SOON: Duration = Duration::from_secs(20);
/// Long enough for a counter that runs to count on.
const A_WHILE: Duration = Duration::from_millis(400);

/// Counts to 40 in two seconds.
const COUNT: &str = "for i in $(seq 40); do echo $i; sleep 0.05; done; exit 3";

async fn counted(sandbox: &Inside<'_>, exec: &ExecId) -> usize {
    let text = sandbox.atoll.client.exec_get(&sandbox.id, exec).await.unwrap().stdout;
    text.unwrap_or_default().lines().count()
}

/// Whether the counter stands still.
async fn stands(sandbox: &Inside<'_>, exec: &ExecId) -> bool {
    let before = counted(sandbox, exec).await;
    tokio::time::sleep(A_WHILE).await;
    let after = counted(sandbox, exec).await;
    assert!(after < 40, "it has ended");
    before == after
}

async fn refused(sandbox: &Inside<'_>) {
    let error = sandbox.atoll.client.exec_run(&sandbox.id, &line("true")).await.unwrap_err();
    assert!(error.to_string().contains("paused"), "{error}");
    assert_eq!(sandbox.get().await.state, "paused");
}

#[tokio::test]
async fn a_counter_stands_still_and_loses_nothing() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let exec = sandbox.begin(COUNT).await;
    until("its first numbers", SOON, async || (counted(&sandbox, &exec).await > 3).then_some(())).await;
    let id = sandbox.id.to_string();
    let paused = atoll.cli(&["pause", &id]);
    assert!(paused.status.success(), "{paused:?}");
    assert!(String::from_utf8_lossy(&paused.stdout).contains("paused"), "{paused:?}");
    assert!(stands(&sandbox, &exec).await);
    refused(&sandbox).await;
    atoll.assert_healthy();
    let resumed = atoll.cli(&["resume", &id]);
    assert!(resumed.status.success(), "{resumed:?}");
    assert!(!stands(&sandbox, &exec).await);
    let ended = until("its end", SOON, async || {
        let exec = atoll.client.exec_get(&sandbox.id, &exec).await.unwrap();
        exec.exit_code.is_some().then_some(exec)
    })
    .await;
    let all: String = (1..=40).map(|i| format!("{i}\n")).collect();
    assert_eq!((ended.exit_code, ended.stdout), (Some(3), Some(all)));
    atoll.finish().await;
}

#[tokio::test]
async fn a_pause_survives_the_death_of_every_part() {
    let mut atoll = Atoll::start().await;
    let id = atoll.create().await.id;
    let exec = atoll.client.exec_start(&id, &line(COUNT)).await.unwrap().id.parse().unwrap();
    tokio::time::sleep(A_WHILE).await;
    atoll.client.sandbox_pause(&id).await.unwrap();
    for role in [Role::Serve, Role::Launcher, Role::Supervisor] {
        let before = atoll.pid(role);
        atoll.kill(role);
        if role == Role::Supervisor {
            atoll.start_again().await;
        } else {
            until("its return", SOON, async || atoll.pid(role).filter(|pid| Some(*pid) != before)).await;
            atoll.ready().await;
        }
        let sandbox = Inside { atoll: &atoll, id: id.clone() };
        refused(&sandbox).await;
        assert!(stands(&sandbox, &exec).await, "{role:?}");
    }
    let sandbox = Inside { atoll: &atoll, id: id.clone() };
    atoll.client.sandbox_resume(&id).await.unwrap();
    assert!(!stands(&sandbox, &exec).await);
    sandbox.ok("true").await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_paused_sandbox_is_stopped_restarted_and_deleted_in_time() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    for action in ["stop", "restart"] {
        sandbox.begin("while :; do :; done").await;
        atoll.client.sandbox_pause(&sandbox.id).await.unwrap();
        let began = std::time::Instant::now();
        let shown = match action {
            "stop" => atoll.client.sandbox_stop(&sandbox.id).await.unwrap(),
            _ => atoll.client.sandbox_restart(&sandbox.id).await.unwrap(),
        };
        assert!(began.elapsed() < Duration::from_secs(2), "{action} took {:?}", began.elapsed());
        assert_eq!(shown.state, if action == "stop" { "stopped" } else { "running" });
        atoll.client.sandbox_start(&sandbox.id).await.unwrap();
        sandbox.ok("true").await;
    }
    sandbox.begin("while :; do :; done").await;
    atoll.client.sandbox_pause(&sandbox.id).await.unwrap();
    sandbox.delete_in_time().await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_fork_bomb_is_paused_and_deleted() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    sandbox.begin("f() { f | f & }; f; while :; do f; done").await;
    tokio::time::sleep(A_WHILE).await;
    atoll.client.sandbox_pause(&sandbox.id).await.unwrap();
    refused(&sandbox).await;
    sandbox.delete_in_time().await;
    atoll.finish().await;
}
