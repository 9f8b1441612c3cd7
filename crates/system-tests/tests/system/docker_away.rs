//! Docker's sandboxes while parts of Atoll, or Docker, are away.

use std::time::Duration;

use atoll_types::RuntimeKind;
use futures_util::StreamExt as _;
use rustix::process::{Signal, kill_process};

use crate::harness::{Atoll, Dockerd, Role, until};
use crate::runtimes::{COUNT, IMAGE, PATIENCE, counted, finish, new, started};

/// In this a command has ended that is in nobody's way; a broker that is stopped holds others up for longer.
const PAST_TIME: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_command_runs_in_a_container_and_nothing_is_left() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let run = atoll.cli(&["run", "--runtime", "docker", "--image", IMAGE, "--", "uname", "-a"]);
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.starts_with("Linux "), "{run:?}");
    assert_eq!(docker.containers(), Vec::<String>::new());
    let health: serde_json::Value = serde_json::from_slice(&health(&atoll).await).unwrap();
    assert_eq!((&health["docker"], &health["runtimes"]["docker"]["status"]), (&"ok".into(), &"ok".into()));
    finish(atoll, &docker).await;
}

async fn health(atoll: &Atoll) -> Vec<u8> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let address = atoll.client.base_url().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    answer.split_off(body)
}

/// The broker and Docker are in the way of no command, where both are on this machine.
#[tokio::test]
async fn commands_in_a_container_go_past_the_broker() {
    let docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let broker = atoll.pid(Role::Broker).unwrap();
    // Where finding the way takes half a second, as it may where others build beside, the other way is gone for as long as it is used.
    until("one past the broker", PATIENCE, async || {
        let sandbox = atoll.create_with(&new(RuntimeKind::Docker)).await;
        assert_eq!(sandbox.ok("echo first").await, "first\n");
        kill_process(broker, Signal::STOP).unwrap();
        let line = crate::harness::line("echo past");
        let past = tokio::time::timeout(PAST_TIME, atoll.client.exec_run(&sandbox.id, &line)).await;
        kill_process(broker, Signal::CONT).unwrap();
        atoll.client.sandbox_delete(&sandbox.id).await.unwrap();
        past.ok()?.ok().filter(|exec| exec.stdout.as_deref() == Some("past\n")).map(drop)
    })
    .await;
    finish(atoll, &docker).await;
}

/// Runs through the death of a part, and loses nothing.
#[tokio::test]
async fn a_command_in_a_container_outlives_serve_and_the_broker() {
    let docker = Dockerd::start(false);
    let mut atoll = started(&docker).await;
    let docker_s = [Role::Serve, Role::Broker, Role::Supervisor].map(|role| (RuntimeKind::Docker, role));
    let gvisor_s = [Role::Serve, Role::Broker].map(|role| (RuntimeKind::Gvisor, role));
    for (kind, role) in docker_s.into_iter().chain(gvisor_s) {
        let id = atoll.create_with(&new(kind)).await.id;
        let line = crate::harness::line(COUNT);
        let exec = atoll.client.exec_start(&id, &line).await.unwrap().id.parse().unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        atoll.kill_and_return(role, PATIENCE).await;
        let mut events = atoll.client.exec_events(&id, &exec, 0);
        let (mut text, mut exit) = (Vec::new(), None);
        while let Some(event) = events.next().await {
            match event.unwrap().kind {
                atoll_client::ExecEventKind::Start => {}
                atoll_client::ExecEventKind::Output(_, bytes) => text.extend(bytes),
                atoll_client::ExecEventKind::Exit(code) => exit = code,
            }
        }
        assert_eq!((String::from_utf8(text).unwrap(), exit), (counted(), Some(3)), "{kind} {role:?}");
        // What it found again it also ends.
        atoll.client.sandbox_delete(&id).await.unwrap();
    }
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn a_restart_of_docker_crashes_its_sandboxes_and_they_start_again() {
    let mut docker = Dockerd::start(false);
    let atoll = started(&docker).await;
    let sandbox = atoll.create_with(&new(RuntimeKind::Docker)).await;
    sandbox.ok("echo kept > kept").await;
    docker.restart();
    until("the crash", PATIENCE, async || (sandbox.get().await.state == "crashed").then_some(())).await;
    atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    assert_eq!(sandbox.ok("cat kept").await, "kept\n");
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn with_live_restore_they_go_on() {
    let mut docker = Dockerd::start(true);
    let atoll = started(&docker).await;
    let sandbox = atoll.create_with(&new(RuntimeKind::Docker)).await;
    sandbox.ok("echo in memory > /tmp/memory").await;
    docker.restart();
    let said = until("the agent", PATIENCE, async || {
        let line = crate::harness::line("cat /tmp/memory");
        atoll.client.exec_run(&sandbox.id, &line).await.ok().and_then(|exec| exec.stdout)
    })
    .await;
    assert_eq!(said, "in memory\n");
    assert_eq!(sandbox.get().await.state, "running");
    finish(atoll, &docker).await;
}

/// Of a Docker that is away nothing is concluded, and nobody else waits for it.
#[tokio::test]
async fn while_docker_is_away_its_sandboxes_are_left_as_they_are() {
    let mut docker = Dockerd::start(true);
    let mut atoll = started(&docker).await;
    let id = atoll.create_with(&new(RuntimeKind::Docker)).await.id;
    docker.stop();
    // A new serve looks at everything at once.
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("its return", PATIENCE, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
    atoll.ready().await;
    // What Docker says of itself is asked for every two seconds.
    let away = async || {
        let health: serde_json::Value = serde_json::from_slice(&health(&atoll).await).unwrap();
        (health["status"] == "degraded" && health["runtimes"]["docker"]["status"] == "unavailable")
            .then_some(())
    };
    until("Docker's absence", PATIENCE, away).await;
    atoll.ready().await;
    assert_eq!(atoll.create_with(&new(RuntimeKind::Native)).await.ok("echo here").await, "here\n");
    assert_eq!(atoll.client.sandbox_get(&id).await.unwrap().state, "running");
    let past = until("a command without Docker", PATIENCE, async || {
        let line = crate::harness::line("echo past");
        atoll.client.exec_run(&id, &line).await.ok().and_then(|exec| exec.stdout)
    })
    .await;
    assert_eq!(past, "past\n");
    let error = atoll.client.sandbox_create(&new(RuntimeKind::Docker)).await.unwrap_err();
    assert_eq!(error.code(), Some("runtime_unavailable"), "{error}");
    docker.start_again();
    let said = until("the agent", PATIENCE, async || {
        let line = crate::harness::line("echo there");
        atoll.client.exec_run(&id, &line).await.ok().and_then(|exec| exec.stdout)
    })
    .await;
    assert_eq!(said, "there\n");
    finish(atoll, &docker).await;
}
