//! What the engine relies on.

use super::*;
use atoll_ports::{AgentLink, EventStream, StdinPiece};
use atoll_types::{ExecEvent, ExecEventKind, ExecKind, GuestUser};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};

fn start(argv: &[&str]) -> StartExec {
    StartExec {
        exec: ExecId::random(),
        kind: ExecKind::Exec,
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        env: Vec::new(),
        cwd: None,
        user: GuestUser::agent(),
        timeout: None,
        stdin: Bytes::new(),
        stdin_open: false,
        tty: None,
    }
}

fn booted() -> (FakeAgents, SandboxId) {
    let (agents, sandbox) = (FakeAgents::default(), SandboxId::random());
    agents.boot(&sandbox);
    (agents, sandbox)
}

async fn collect(stream: EventStream) -> Vec<ExecEvent> {
    stream.map(|event| event.unwrap()).collect().await
}

fn exit_code(events: &[ExecEvent]) -> Option<i32> {
    match &events.last()?.kind {
        ExecEventKind::Exit(exit) => Some(exit.code),
        _ => None,
    }
}

fn output(events: &[ExecEvent]) -> Vec<u8> {
    let data = |e: &ExecEvent| match &e.kind {
        ExecEventKind::Output(_, data) => data.clone(),
        _ => Vec::new(),
    };
    events.iter().flat_map(data).collect()
}

#[tokio::test]
async fn events_are_numbered_from_one_without_gaps() {
    let (agents, sandbox) = booted();
    let events = collect(agents.exec(&sandbox, start(&["/bin/sh", "-c", "echo a b"])).await.unwrap()).await;
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(events[0].kind, ExecEventKind::Start);
    assert_eq!((output(&events).as_slice(), exit_code(&events)), (&b"a b\n"[..], Some(0)));
}

#[tokio::test]
async fn a_repeated_id_does_not_start_again() {
    let (agents, sandbox) = booted();
    let request = start(&["echo", "x"]);
    for _ in 0..2 {
        assert_eq!(collect(agents.exec(&sandbox, request.clone()).await.unwrap()).await.len(), 3);
    }
    assert_eq!(agents.started().len(), 1);
}

#[tokio::test]
async fn acknowledged_events_are_gone_and_the_exit_ends_it() {
    let (agents, sandbox) = booted();
    let request = start(&["echo", "x"]);
    let exec = request.exec.clone();
    drop(agents.exec(&sandbox, request).await.unwrap());
    agents.ack(&sandbox, &[(exec.clone(), 2)]).await.unwrap();
    let gone = agents.attach(&sandbox, &exec, 0).await.err();
    assert_eq!(gone, Some(AgentError::EventsGone { first_seq: 3 }));
    assert_eq!(collect(agents.attach(&sandbox, &exec, 2).await.unwrap()).await.len(), 1);
    agents.ack(&sandbox, &[(exec.clone(), 3)]).await.unwrap();
    assert_eq!(agents.attach(&sandbox, &exec, 2).await.err(), Some(AgentError::NotFound));
    assert_eq!(agents.list(&sandbox).await, Ok(vec![]));
}

#[tokio::test]
async fn a_full_ring_makes_the_child_wait_for_acknowledgement() {
    let (agents, sandbox) = booted();
    agents.script(|_| Some(Script::new().stdout(vec![b'x'; 3 * exec::RING_BYTES]).exit(4)));
    let request = start(&["flood"]);
    let exec = request.exec.clone();
    let mut stream = agents.exec(&sandbox, request).await.unwrap();
    let (mut bytes, mut code) = (0, None);
    assert!(agents.list(&sandbox).await.unwrap()[0].running);
    while let Some(event) = stream.next().await {
        let event = event.unwrap();
        match &event.kind {
            ExecEventKind::Output(_, data) => bytes += data.len(),
            ExecEventKind::Exit(exit) => code = Some(exit.code),
            ExecEventKind::Start => {}
        }
        agents.ack(&sandbox, &[(exec.clone(), event.seq)]).await.unwrap();
    }
    assert_eq!((bytes, code), (3 * exec::RING_BYTES, Some(4)));
}

#[tokio::test]
async fn standard_input_reaches_cat_and_closes() {
    let (agents, sandbox) = booted();
    let mut request = start(&["cat"]);
    request.stdin = Bytes::from_static(b"a");
    request.stdin_open = true;
    let exec = request.exec.clone();
    let stream = agents.exec(&sandbox, request).await.unwrap();
    let piece = |offset, data: &'static [u8], eof| StdinPiece { offset, data: Bytes::from_static(data), eof };
    agents.stdin(&sandbox, &exec, piece(Some(0), b"b", false)).await.unwrap();
    let gap = agents.stdin(&sandbox, &exec, piece(Some(2), b"x", false)).await;
    assert_eq!(gap, Err(AgentError::StdinOffset { expected: 1 }));
    agents.stdin(&sandbox, &exec, piece(Some(0), b"bc", true)).await.unwrap();
    assert_eq!(output(&collect(stream).await), b"abc");
    agents.stdin(&sandbox, &exec, piece(Some(0), b"bc", true)).await.unwrap();
    let again = agents.stdin(&sandbox, &exec, piece(None, b"", true)).await;
    assert_eq!(again, Err(AgentError::StdinClosed));
}

#[tokio::test]
async fn signals_and_time_limits_end_a_command() {
    let (agents, sandbox) = booted();
    for expire in [false, true] {
        let request = start(&["sleep", "100"]);
        let exec = request.exec.clone();
        let stream = agents.exec(&sandbox, request).await.unwrap();
        if expire {
            agents.expire(&sandbox, &exec);
        } else {
            agents.signal(&sandbox, &exec, Signal::Kill).await.unwrap();
        }
        assert_eq!(exit_code(&collect(stream).await), Some(if expire { 143 } else { 137 }));
    }
}

#[tokio::test]
async fn a_dead_agent_breaks_streams_and_a_cut_one_can_be_attached_again() {
    let (agents, sandbox) = booted();
    let request = start(&["sleep", "1"]);
    let exec = request.exec.clone();
    let mut stream = agents.exec(&sandbox, request).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().seq, 1);
    agents.cut(&sandbox);
    assert!(matches!(stream.next().await, Some(Err(AgentError::Unreachable(_)))));
    assert!(stream.next().await.is_none());
    let mut stream = agents.attach(&sandbox, &exec, 1).await.unwrap();
    agents.hang(&sandbox);
    assert!(agents.list(&sandbox).now_or_never().is_none());
    assert!(stream.next().now_or_never().is_none());
    agents.kill(&sandbox);
    assert!(matches!(stream.next().await, Some(Err(AgentError::Unreachable(_)))));
    assert!(matches!(agents.list(&sandbox).await, Err(AgentError::Unreachable(_))));
}

#[tokio::test]
async fn idle_time_counts_from_the_last_end() {
    let clock = Arc::new(ManualClock::new());
    let (agents, sandbox) = (FakeAgents::new(Arc::clone(&clock) as Arc<dyn Clock>), SandboxId::random());
    agents.boot(&sandbox);
    let request = start(&["sleep", "1"]);
    let exec = request.exec.clone();
    drop(agents.exec(&sandbox, request).await.unwrap());
    clock.advance(Duration::from_secs(60));
    let busy = agents.activity(&sandbox).await.unwrap();
    assert_eq!((busy.idle, busy.execs_running), (Duration::ZERO, 1));
    agents.release(&sandbox, &exec);
    clock.advance(Duration::from_secs(30));
    assert_eq!(agents.activity(&sandbox).await.unwrap().idle, Duration::from_secs(30));
}

#[tokio::test]
async fn terminals_keep_the_promises() {
    let (agents, sandbox) = booted();
    let open = atoll_ports::OpenTerminal {
        name: atoll_types::TerminalName::main(),
        argv: Vec::new(),
        env: Vec::new(),
        cwd: None,
        user: GuestUser::agent(),
        size: atoll_types::TerminalSize::default(),
        linger: None,
    };
    crate::contract::terminals(&agents, &sandbox, &open).await;
}
