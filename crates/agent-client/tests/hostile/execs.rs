//! What agents say of commands.

use atoll_agent_protocol::EXECS_MAX;
use atoll_agent_protocol::v1::{Exit, Held, ProbeReply};
use atoll_ports::{AgentError, AgentLink, StartExec, StdinPiece};
use atoll_types::ExecId;
use futures_util::StreamExt;

use crate::host::{Host, true_program};
use crate::liar::{Liar, exit, output, start};

#[tokio::test]
async fn a_stream_that_breaks_the_protocol_ends_with_an_error() {
    for events in
        [vec![start(), exit(3)], vec![start()], vec![exit(1)], vec![start(), output(2, 70_000), exit(3)]]
    {
        let end = Host::ends_with(Liar { events: events.clone(), ..Liar::default() }).await;
        assert!(matches!(end, Some(AgentError::Protocol(_))), "{end:?}");
    }
    // Beyond the size of a message: refused before it is all read.
    let end = Host::ends_with(Liar { events: vec![start(), output(2, 10 << 20)], ..Liar::default() }).await;
    assert!(matches!(end, Some(AgentError::Protocol(_))), "{end:?}");
}

#[tokio::test]
async fn nothing_is_waited_for_after_the_exit() {
    let liar = Liar { events: vec![start(), exit(2)], hangs: true, ..Liar::default() };
    let host = Host::with(liar);
    let events: Vec<_> = host.exec().await.unwrap().collect().await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(Result::is_ok));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let host = Host::with(Liar::default());
    let exec = ExecId::random();
    let stdin =
        host.client.stdin(&host.sandbox, &exec, StdinPiece { eof: true, ..StdinPiece::default() }).await;
    assert_eq!(stdin, Err(AgentError::StdinClosed));
    let signal = host.client.signal(&host.sandbox, &exec, atoll_types::Signal::Term).await;
    assert_eq!(signal, Err(AgentError::NotFound));
    let Some(AgentError::Refused(text)) = host.client.attach(&host.sandbox, &exec, 0).await.err() else {
        panic!("not refused")
    };
    assert!(text.chars().all(|c| c == '\u{FFFD}') && text.chars().count() == 300);
}

/// It would run the command in pipes, and say nothing.
#[tokio::test]
async fn an_older_agent_is_asked_for_no_terminal() {
    let host = Host::with(Liar { events: vec![start(), exit(2)], ..Liar::default() });
    let size = atoll_types::TerminalSize::default();
    let refused =
        host.client.exec(&host.sandbox, StartExec { tty: Some(size), ..true_program() }).await.err();
    assert!(
        matches!(&refused, Some(AgentError::Refused(text)) if text.contains("restart it")),
        "{refused:?}"
    );
    let resized = host.client.exec_resize(&host.sandbox, &ExecId::random(), size).await;
    assert_eq!(resized, Err(AgentError::StdinClosed));
}

#[tokio::test]
async fn lists_and_activity_are_checked() {
    let host = Host::with(Liar::default());
    let activity = host.client.activity(&host.sandbox).await.unwrap();
    assert_eq!(activity.ports, [80, 65_535]);
    let good = Held {
        exec_id: ExecId::random().to_string(),
        kind: 0,
        running: true,
        first_seq: 1,
        last_seq: 0,
        pid: 0,
    };
    for bad in [
        vec![Held { exec_id: "../../etc".to_owned(), ..good.clone() }],
        vec![Held { kind: 9, ..good.clone() }],
        vec![Held { first_seq: 0, ..good.clone() }],
        vec![Held { first_seq: 3, last_seq: 1, ..good.clone() }],
        vec![good.clone(); EXECS_MAX + 1],
    ] {
        let host = Host::with(Liar { held: bad, ..Liar::default() });
        let list = host.client.list(&host.sandbox).await;
        assert!(matches!(list, Err(AgentError::Protocol(_))), "{list:?}");
    }
    let host = Host::with(Liar { held: vec![good], ..Liar::default() });
    assert_eq!(host.client.list(&host.sandbox).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_end_of_a_health_check_is_checked_and_bounded() {
    let host = Host::with(Liar::default());
    let endless = host.client.probe(&host.sandbox, true_program()).await;
    assert!(matches!(endless, Err(AgentError::Protocol(_))), "{endless:?}");
    let output = [vec![b'x'; 60 << 10], b"end".to_vec()].concat().into();
    let probed = ProbeReply { exit: Some(Exit { code: 7, timed_out: false }), output };
    let host = Host::with(Liar { probed, ..Liar::default() });
    let end = host.client.probe(&host.sandbox, true_program()).await.unwrap();
    assert_eq!((end.exit.code, end.output.len()), (7, atoll_ports::ProbeEnd::OUTPUT_BYTES_MAX));
    assert!(end.output.ends_with(b"end"));
}
