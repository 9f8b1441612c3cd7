//! Input, signals, time limits, activity.

use std::time::{Duration, Instant};

use atoll_ports::{AgentError, AgentLink, StdinPiece};
use atoll_types::{ExecExit, ExecId, ExecKind, Signal};
use bytes::Bytes;

use crate::harness::{Agent, Ran, argv, next_output, shell, soon, until};

#[tokio::test]
async fn open_input_takes_what_comes_until_its_end() {
    let agent = Agent::plain();
    let mut start = argv(&["cat"]);
    start.stdin = Bytes::from_static(b"first ");
    start.stdin_open = true;
    let id = start.exec.clone();
    let mut events = agent.exec(start).await;
    assert_eq!(next_output(&mut events).await, b"first ");
    agent.client.stdin(&agent.sandbox, &id, piece(None, b"second", false)).await.unwrap();
    assert_eq!(next_output(&mut events).await, b"second");
    agent.client.stdin(&agent.sandbox, &id, piece(None, b"", true)).await.unwrap();
    assert_eq!(soon(Ran::of(events)).await.code(), 0);
    let late = agent.client.stdin(&agent.sandbox, &id, piece(None, b"x", false)).await;
    assert_eq!(late, Err(AgentError::StdinClosed));
}

fn piece(offset: Option<u64>, data: &[u8], eof: bool) -> StdinPiece {
    StdinPiece { offset, data: Bytes::copy_from_slice(data), eof }
}

#[tokio::test]
async fn input_with_an_offset_arrives_once_however_often_it_is_sent() {
    let agent = Agent::plain();
    let mut start = argv(&["cat"]);
    start.stdin = Bytes::from_static(b"first ");
    start.stdin_open = true;
    let id = start.exec.clone();
    let events = agent.exec(start).await;
    let send = async |offset, data: &[u8], eof| {
        agent.client.stdin(&agent.sandbox, &id, piece(Some(offset), data, eof)).await
    };
    send(0, b"second ", false).await.unwrap();
    send(0, b"second ", false).await.unwrap();
    assert_eq!(send(8, b"x", false).await, Err(AgentError::StdinOffset { expected: 7 }), "a gap");
    assert_eq!(send(0, b"sec", true).await, Err(AgentError::StdinOffset { expected: 7 }), "an end before it");
    send(3, b"ond third", false).await.unwrap();
    send(12, b"", true).await.unwrap();
    send(12, b"", true).await.unwrap();
    send(7, b"third", true).await.unwrap();
    let ran = soon(Ran::of(events)).await;
    assert_eq!((ran.out(), ran.code()), ("first second third", 0));
}

/// A call that is cut off while the pipe is full has written a part, and nobody was told how much.
#[tokio::test]
async fn input_that_was_cut_off_goes_on_where_it_was() {
    let agent = Agent::plain();
    let mut start = shell("sleep 0.5; exec sha256sum");
    start.stdin_open = true;
    let id = start.exec.clone();
    let events = agent.exec(start).await;
    let data: Vec<u8> = (0..700_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    for _ in 0..3 {
        let send = agent.client.stdin(&agent.sandbox, &id, piece(Some(0), &data, true));
        tokio::time::timeout(Duration::from_millis(50), send).await.unwrap_err();
    }
    soon(agent.client.stdin(&agent.sandbox, &id, piece(Some(0), &data, true))).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("-"), &data).unwrap();
    let sum = std::process::Command::new("sha256sum").arg("./-").current_dir(&folder).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(soon(Ran::of(events)).await.out().split(' ').next(), sum.split(' ').next());
}

#[tokio::test]
async fn input_waits_while_the_pipe_is_full() {
    let agent = Agent::plain();
    let mut start = shell("sleep 0.3; exec wc -c");
    start.stdin_open = true;
    let id = start.exec.clone();
    let events = agent.exec(start).await;
    let began = Instant::now();
    soon(agent.client.stdin(&agent.sandbox, &id, piece(None, &[0; 700_000], true))).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    assert_eq!(soon(Ran::of(events)).await.out(), "700000\n");
}

#[tokio::test]
async fn input_for_a_command_that_ends_without_reading_is_refused() {
    let agent = Agent::as_init();
    // The child in the background keeps the reading end open.
    let mut start = shell("sleep 20 & sleep 0.2; kill -9 $$");
    start.stdin_open = true;
    let id = start.exec.clone();
    let events = agent.exec(start).await;
    let written = soon(agent.client.stdin(&agent.sandbox, &id, piece(None, &[0; 700_000], true))).await;
    assert_eq!(written, Err(AgentError::StdinClosed));
    assert_eq!(soon(Ran::of(events)).await.code(), 128 + 9);
}

#[tokio::test]
async fn a_signal_reaches_the_whole_process_group() {
    let agent = Agent::plain();
    let start = shell("sleep 30 & child=$!; trap 'wait $child; echo $?; exit 7' USR1; echo ready; wait");
    let id = start.exec.clone();
    let mut events = agent.exec(start).await;
    assert_eq!(next_output(&mut events).await, b"ready\n");
    agent.client.signal(&agent.sandbox, &id, Signal::Usr1).await.unwrap();
    let ran = soon(Ran::of(events)).await;
    assert_eq!((ran.out(), ran.code()), ("138\n", 7));
    assert_eq!(agent.client.signal(&agent.sandbox, &id, Signal::Term).await, Err(AgentError::NotFound));
    let nobody = agent.client.signal(&agent.sandbox, &ExecId::random(), Signal::Term).await;
    assert_eq!(nobody, Err(AgentError::NotFound));
}

#[tokio::test]
async fn a_time_limit_ends_the_group_kindly_then_surely() {
    let agent = Agent::plain();
    let mut kind = shell("trap 'echo bye; exit 0' TERM; sleep 30 & wait");
    kind.timeout = Some(Duration::from_millis(200));
    let ran = soon(agent.run(kind)).await;
    assert_eq!((ran.out(), ran.exit.clone()), ("bye\n", Some(ExecExit { code: 0, timed_out: true })));
    let mut stubborn = shell("trap '' TERM; while :; do sleep 1; done");
    stubborn.timeout = Some(Duration::from_millis(100));
    let began = Instant::now();
    let ran = soon(agent.run(stubborn)).await;
    assert_eq!(ran.exit, Some(ExecExit { code: 128 + 9, timed_out: true }));
    assert!(began.elapsed() >= Duration::from_millis(2050));
    let mut quick = shell("exit 5");
    quick.timeout = Some(Duration::from_secs(60));
    assert_eq!(soon(agent.run(quick)).await.exit, Some(ExecExit { code: 5, timed_out: false }));
}

#[tokio::test]
async fn what_a_time_limit_leaves_of_the_group_is_killed() {
    let agent = Agent::plain();
    let directory = tempfile::tempdir().unwrap();
    let pid_file = directory.path().join("pid");
    let mut start = shell(&format!(
        "(trap '' TERM; echo $$ >/dev/null; exec sleep 60) & echo $! > {}; wait",
        pid_file.display()
    ));
    start.timeout = Some(Duration::from_millis(300));
    assert!(soon(agent.run(start)).await.exit.unwrap().timed_out);
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    until("the child that ignored TERM is gone", async || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    })
    .await;
}

#[tokio::test]
async fn what_is_left_of_a_group_that_was_asked_to_end_is_killed() {
    let agent = Agent::plain();
    let directory = tempfile::tempdir().unwrap();
    let pid_file = directory.path().join("pid");
    // The leader ends at TERM; its child does not.
    let start = shell(&format!(
        "(trap '' TERM; echo $$ >/dev/null; exec sleep 60) & echo $! > {}; echo up; wait",
        pid_file.display()
    ));
    let id = start.exec.clone();
    let mut events = agent.exec(start).await;
    assert_eq!(next_output(&mut events).await, b"up\n");
    agent.client.terminate(&agent.sandbox, &id).await.unwrap();
    assert_eq!(soon(Ran::of(events)).await.code(), 128 + 15);
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    until("the child that ignored TERM is gone", async || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    })
    .await;
}

#[tokio::test]
async fn a_main_process_that_waits_is_idle_and_an_exec_is_not() {
    let agent = Agent::plain();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut main = shell("exec sleep 60");
    main.kind = ExecKind::Main;
    let main_id = main.exec.clone();
    let _main = agent.exec(main).await;
    until("time passes", async || {
        let activity = agent.client.activity(&agent.sandbox).await.unwrap();
        assert_eq!(activity.execs_running, 0);
        assert!(activity.ports.contains(&listener.local_addr().unwrap().port()));
        activity.idle >= Duration::from_millis(100)
    })
    .await;
    let start = shell("exec sleep 60");
    let id = start.exec.clone();
    let events = agent.exec(start).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let activity = agent.client.activity(&agent.sandbox).await.unwrap();
    assert_eq!((activity.idle, activity.execs_running), (Duration::ZERO, 1));
    for id in [id, main_id] {
        agent.client.signal(&agent.sandbox, &id, Signal::Kill).await.unwrap();
    }
    assert_eq!(soon(Ran::of(events)).await.code(), 128 + 9);
}

#[tokio::test]
async fn a_health_check_is_told_at_its_end_and_is_no_activity() {
    let agent = Agent::plain();
    let probe = async |line: &str| {
        let mut start = shell(line);
        start.timeout = Some(Duration::from_secs(20));
        soon(agent.client.probe(&agent.sandbox, start)).await.unwrap()
    };
    let end = probe("echo out; echo err >&2; exit 3").await;
    assert_eq!(end.exit, ExecExit { code: 3, timed_out: false });
    assert!(end.output.len() == 8 && end.output.windows(4).any(|part| part == b"err\n"));
    // More than the agent holds of any command, of which the end is told.
    let end = probe("head -c 3000000 /dev/zero | tr '\\0' x; echo the end").await;
    assert_eq!((end.exit.code, end.output.len()), (0, 1_024));
    assert!(end.output.ends_with(b"xxthe end\n"));
    assert!(agent.client.list(&agent.sandbox).await.unwrap().is_empty(), "nothing of it is held");
    until("time passes", async || {
        probe("true").await;
        let activity = agent.client.activity(&agent.sandbox).await.unwrap();
        activity.idle >= Duration::from_millis(300) && activity.execs_running == 0
    })
    .await;
}

#[tokio::test]
async fn a_health_check_whose_caller_is_gone_ends_at_its_limit() {
    let agent = Agent::plain();
    let directory = agent.directory.path().to_owned();
    let line = format!("echo $$ > {}/pid; exec sleep 600", directory.display());
    let mut start = shell(&line);
    start.timeout = Some(Duration::from_secs(1));
    let pid = || {
        let text = std::fs::read_to_string(directory.join("pid")).unwrap_or_default();
        text.trim().parse::<u32>().ok()
    };
    let waits = async |so: &dyn Fn() -> bool| {
        soon(async {
            while !so() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    };
    let runs = || pid().is_some();
    tokio::select! {
        biased;
        () = waits(&runs) => {}
        // On a very slow machine: then nobody is gone before its limit.
        _ = agent.client.probe(&agent.sandbox, start.clone()) => {}
    }
    waits(&|| pid().is_some_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())).await;
    let mut quick = shell("true");
    quick.timeout = Some(Duration::from_secs(20));
    assert_eq!(soon(agent.client.probe(&agent.sandbox, quick)).await.unwrap().exit.code, 0);
    start.timeout = None;
    let endless = soon(agent.client.probe(&agent.sandbox, start)).await;
    assert!(matches!(endless, Err(AgentError::Refused(_))), "{endless:?}");
}
