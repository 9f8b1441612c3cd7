//! Commands in a terminal.

use atoll_ports::{AgentError, AgentLink, StartExec, StdinPiece};
use atoll_types::TerminalSize;
use bytes::Bytes;

use crate::harness::{Agent, Ran, argv, next_output, shell, soon, until};

/// In a terminal of 100 columns and 30 rows.
fn in_terminal(start: StartExec) -> StartExec {
    StartExec { tty: Some(TerminalSize::new(100, 30).unwrap()), ..start }
}

fn typed(keys: &'static [u8], eof: bool) -> StdinPiece {
    StdinPiece { offset: None, data: Bytes::from_static(keys), eof }
}

#[tokio::test]
async fn all_three_streams_are_the_terminal() {
    let agent = Agent::plain();
    let line = "test -t 0 && test -t 1 && test -t 2 && stty size && tty; echo err >&2; exit 3";
    let ran = soon(agent.run(in_terminal(shell(line)))).await;
    assert!(ran.out().starts_with("30 100\r\n/dev/pts/") && ran.out().ends_with("\r\nerr\r\n"), "{ran:?}");
    assert_eq!((ran.err(), ran.code()), ("", 3));
}

#[tokio::test]
async fn the_end_of_the_input_is_typed() {
    let agent = Agent::plain();
    let ran = soon(agent.run(in_terminal(argv(&["cat"])))).await;
    assert_eq!((ran.out(), ran.code()), ("", 0), "without any input");
    let given = StartExec { stdin: Bytes::from_static(b"given\n"), ..in_terminal(argv(&["cat"])) };
    let ran = soon(agent.run(given)).await;
    assert_eq!((ran.out(), ran.code()), ("given\r\ngiven\r\n", 0), "typed, and then written");
    let open = StartExec { stdin_open: true, ..in_terminal(argv(&["cat"])) };
    let id = open.exec.clone();
    let mut events = agent.exec(open).await;
    agent.client.stdin(&agent.sandbox, &id, typed(b"later\n", false)).await.unwrap();
    let mut shown = Vec::new();
    while shown != b"later\r\nlater\r\n" {
        shown.extend(next_output(&mut events).await);
    }
    agent.client.stdin(&agent.sandbox, &id, typed(b"", true)).await.unwrap();
    assert_eq!(soon(Ran::of(events)).await.code(), 0);
    let late = agent.client.stdin(&agent.sandbox, &id, typed(b"x", false)).await;
    assert_eq!(late, Err(AgentError::StdinClosed));
}

#[tokio::test]
async fn keys_act_as_at_any_terminal() {
    let agent = Agent::plain();
    let line = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done";
    let start = StartExec { stdin_open: true, ..in_terminal(shell(line)) };
    let id = start.exec.clone();
    let mut events = agent.exec(start).await;
    assert_eq!(next_output(&mut events).await, b"ready\r\n");
    agent.client.stdin(&agent.sandbox, &id, typed(b"\x03", false)).await.unwrap();
    let ran = soon(Ran::of(events)).await;
    assert!(ran.out().ends_with("caught\r\n"), "{ran:?}");
    assert_eq!(ran.code(), 7);
}

#[tokio::test]
async fn a_program_is_told_of_another_size() {
    let agent = Agent::plain();
    let line = "trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done";
    let start = StartExec { stdin_open: true, ..in_terminal(shell(line)) };
    let id = start.exec.clone();
    let mut events = agent.exec(start).await;
    assert_eq!(next_output(&mut events).await, b"ready\r\n");
    let resize = async |cols, rows| {
        agent.client.exec_resize(&agent.sandbox, &id, TerminalSize::new(cols, rows).unwrap()).await
    };
    resize(132, 50).await.unwrap();
    let ran = soon(Ran::of(events)).await;
    assert_eq!((ran.out(), ran.code()), ("50 132\r\n", 5));
    assert_eq!(resize(80, 24).await, Err(AgentError::StdinClosed), "it has ended");
}

#[tokio::test]
async fn pipes_have_no_size() {
    let agent = Agent::plain();
    let start = StartExec { stdin_open: true, ..argv(&["cat"]) };
    let id = start.exec.clone();
    let _events = agent.exec(start).await;
    let resized = agent.client.exec_resize(&agent.sandbox, &id, TerminalSize::default()).await;
    assert_eq!(resized, Err(AgentError::StdinClosed));
}

#[tokio::test]
async fn much_output_comes_whole_to_the_last_byte() {
    let agent = Agent::plain();
    // As much as is held of a command before anybody acknowledges it, or nearly.
    let ran = soon(agent.run(in_terminal(argv(&["seq", "100000"])))).await;
    let expected: String = (1..=100_000).map(|n| format!("{n}\r\n")).collect();
    assert_eq!((ran.stdout.len(), ran.code()), (expected.len(), 0));
    assert!(ran.out() == expected);
}

#[tokio::test]
async fn who_runs_is_listed_with_its_process() {
    let agent = Agent::plain();
    let start = StartExec { stdin_open: true, ..shell("echo $$; cat") };
    let id = start.exec.clone();
    let mut events = agent.exec(start).await;
    let pid: u32 = String::from_utf8(next_output(&mut events).await).unwrap().trim().parse().unwrap();
    let held = agent.client.list(&agent.sandbox).await.unwrap();
    assert_eq!(held[0].pid, Some(pid));
    agent.client.stdin(&agent.sandbox, &id, typed(b"", true)).await.unwrap();
    soon(Ran::of(events)).await;
    until("its end", async || {
        let held = agent.client.list(&agent.sandbox).await.unwrap();
        held.iter().all(|held| held.pid.is_none())
    })
    .await;
}
