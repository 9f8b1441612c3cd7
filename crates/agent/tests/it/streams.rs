//! Events that wait, are read twice, and are acknowledged.

use std::time::Duration;

use atoll_ports::{AgentError, AgentLink, StdinPiece};
use atoll_types::ExecId;
use futures_util::StreamExt;
use tokio::time::sleep;

use crate::harness::{Agent, Ran, next_output, refusal, shell, soon, until};

/// Events of a full ring, at least: its chunks are never larger than 64 KiB.
const FULL: u64 = 16;
/// More than a ring holds.
const FLOOD: &str = "head -c 3000000 /dev/zero; echo end >&2";

#[tokio::test]
async fn a_full_ring_makes_the_command_wait_until_it_is_acknowledged() {
    let agent = Agent::plain();
    let start = shell(FLOOD);
    let id = start.exec.clone();
    drop(agent.exec(start).await);
    let last = async || agent.client.list(&agent.sandbox).await.unwrap()[0].last_seq;
    let mut before = 0;
    until("the ring is full", async || {
        sleep(Duration::from_millis(50)).await;
        let now = last().await;
        now >= FULL && std::mem::replace(&mut before, now) == now
    })
    .await;
    let held = agent.client.list(&agent.sandbox).await.unwrap().remove(0);
    assert!(held.running, "{held:?}");
    let mut events = agent.client.attach(&agent.sandbox, &id, 0).await.unwrap();
    let mut ran = Ran::default();
    while let Some(event) = soon(events.next()).await {
        ran.add(event.unwrap());
        agent.client.ack(&agent.sandbox, &[(id.clone(), ran.last_seq)]).await.unwrap();
    }
    assert_eq!((ran.stdout.len(), ran.err(), ran.code()), (3_000_000, "end\n", 0));
}

#[tokio::test]
async fn output_beyond_the_ring_survives_its_writer() {
    let agent = Agent::plain();
    // Fills the ring, leaves the rest in the pipe, and ends.
    let start = shell("head -c 1090000 /dev/zero");
    let id = start.exec.clone();
    drop(agent.exec(start).await);
    sleep(Duration::from_millis(1300)).await;
    assert!(agent.client.list(&agent.sandbox).await.unwrap()[0].running, "its exit waits behind its output");
    let mut events = agent.client.attach(&agent.sandbox, &id, 0).await.unwrap();
    let mut ran = Ran::default();
    while let Some(event) = soon(events.next()).await {
        ran.add(event.unwrap());
        agent.client.ack(&agent.sandbox, &[(id.clone(), ran.last_seq)]).await.unwrap();
    }
    assert_eq!((ran.stdout.len(), ran.code()), (1_090_000, 0));
}

#[tokio::test]
async fn two_serves_read_the_same_events_each_at_its_own_place() {
    let agent = Agent::plain();
    let second = agent.second_client();
    let start = shell("echo one; read line; echo $line; echo two >&2");
    let (id, mut start) = (start.exec.clone(), start);
    start.stdin_open = true;
    let mut first = agent.exec(start).await;
    assert_eq!(next_output(&mut first).await, b"one\n");
    let other = second.attach(&agent.sandbox, &id, 0).await.unwrap();
    second
        .stdin(&agent.sandbox, &id, StdinPiece { offset: None, data: "go\n".into(), eof: true })
        .await
        .unwrap();
    let (first, other) = tokio::join!(Ran::of(first), Ran::of(other));
    assert_eq!((first.out(), first.last_seq), ("go\n", other.last_seq));
    assert_eq!((other.out(), other.err(), other.code()), ("one\ngo\n", "two\n", 0));
}

#[tokio::test]
async fn the_same_id_never_runs_twice() {
    let agent = Agent::plain();
    let directory = tempfile::tempdir().unwrap();
    let start = shell(&format!("echo x >> {}/ran; echo done", directory.path().display()));
    let (first, second) = (agent.exec(start.clone()).await, agent.exec(start.clone()).await);
    let (first, second) = tokio::join!(Ran::of(first), Ran::of(second));
    assert_eq!((first.out(), second.out()), ("done\n", "done\n"));
    assert_eq!(Ran::of(agent.exec(start).await).await.last_seq, first.last_seq);
    assert_eq!(std::fs::read_to_string(directory.path().join("ran")).unwrap(), "x\n");
}

#[tokio::test]
async fn what_is_acknowledged_is_gone_and_then_forgotten() {
    let agent = Agent::plain();
    let mut start = shell("echo a; read line; echo b; exit 4");
    start.stdin_open = true;
    let id = start.exec.clone();
    let mut events = agent.exec(start).await;
    assert_eq!(next_output(&mut events).await, b"a\n");
    agent
        .client
        .stdin(&agent.sandbox, &id, StdinPiece { offset: None, data: "\n".into(), eof: true })
        .await
        .unwrap();
    let ran = Ran::of(events).await;
    assert_eq!(ran.last_seq, 4);
    agent.client.ack(&agent.sandbox, &[(id.clone(), 2)]).await.unwrap();
    let gone = refusal(agent.client.attach(&agent.sandbox, &id, 1).await);
    assert_eq!(gone, AgentError::EventsGone { first_seq: 3 });
    let rest = Ran::of(agent.client.attach(&agent.sandbox, &id, 2).await.unwrap()).await;
    assert_eq!((rest.out(), rest.code()), ("b\n", 4));
    agent.client.ack(&agent.sandbox, &[(id.clone(), 4), (ExecId::random(), 9)]).await.unwrap();
    assert_eq!(agent.client.list(&agent.sandbox).await.unwrap(), []);
    assert_eq!(refusal(agent.client.attach(&agent.sandbox, &id, 4).await), AgentError::NotFound);
}

#[tokio::test]
async fn a_client_that_goes_away_stops_nothing() {
    let agent = Agent::plain();
    let start = shell("sleep 0.2; echo still here");
    let id = start.exec.clone();
    let leaver = agent.second_client();
    drop(leaver.exec(&agent.sandbox, start).await.unwrap());
    drop(leaver);
    let ran = soon(Ran::of(agent.client.attach(&agent.sandbox, &id, 0).await.unwrap())).await;
    assert_eq!(ran.out(), "still here\n");
}

#[tokio::test]
async fn no_more_execs_are_held_than_the_bound() {
    let agent = Agent::plain();
    let mut ids = Vec::new();
    for _ in 0..atoll_agent_protocol::EXECS_MAX {
        let start = shell(":");
        ids.push((start.exec.clone(), u64::MAX));
        drop(agent.exec(start).await);
    }
    let refused = refusal(agent.client.exec(&agent.sandbox, shell(":")).await);
    assert_eq!(refused, AgentError::TooMany);
    until("one more fits", async || {
        agent.client.ack(&agent.sandbox, &ids).await.unwrap();
        agent.client.exec(&agent.sandbox, shell(":")).await.is_ok()
    })
    .await;
}
