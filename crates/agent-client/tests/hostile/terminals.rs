//! What agents say of terminals.

use atoll_agent_protocol::terminal_event;
use atoll_agent_protocol::v1::terminal_event::Kind::{Attached, Exit, Output};
use atoll_agent_protocol::v1::{TerminalAttached, TerminalExit, TerminalOutput};
use atoll_ports::{AgentError, TerminalKey, TerminalLink};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::host::Host;
use crate::liar::Liar;

#[tokio::test]
async fn what_an_agent_says_of_terminals_is_checked() {
    let key = || TerminalKey { name: "main".parse().unwrap(), generation: 1 };
    let attached = |offset| Attached(TerminalAttached { generation: 1, cols: 80, rows: 24, offset, end: 5 });
    let output = |offset, data: &'static [u8]| Output(TerminalOutput { offset, data: data.into() });
    let exit = |code| Exit(TerminalExit { code });
    for (shown, attaches, passed) in [
        (vec![attached(5), output(5, b"a"), output(7, b"b"), exit(0)], true, 3),
        (vec![attached(5), output(4, b"a")], true, 0),
        (vec![attached(5), output(5, b"")], true, 0),
        (vec![attached(5), output(u64::MAX, b"a")], true, 0),
        (vec![attached(5), attached(5)], true, 0),
        (vec![attached(5), exit(256)], true, 0),
        (vec![attached(6)], false, 0),
        (vec![output(0, b"a")], false, 0),
        (Vec::new(), false, 0),
    ] {
        let events = shown.iter().map(|kind| terminal_event(kind.clone())).collect();
        let host = Host::with(Liar { shown: events, ..Liar::default() });
        let answer = TerminalLink::attach(&host.client, &host.sandbox, &key(), Some(5)).await;
        assert_eq!(answer.is_ok(), attaches, "{shown:?}");
        let Ok((_, stream)) = answer else { continue };
        let seen: Vec<_> = stream.collect().await;
        assert_eq!(seen.iter().filter(|event| event.is_ok()).count(), passed, "{shown:?}");
        assert_eq!(seen.iter().any(Result::is_err), passed == 0, "{shown:?}");
    }
    let host = Host::with(Liar::default());
    assert!(matches!(TerminalLink::list(&host.client, &host.sandbox).await, Err(AgentError::Protocol(_))));
    let typed = host.client.input(&host.sandbox, &key(), Bytes::from_static(b"x")).await;
    assert_eq!(typed, Err(AgentError::StdinClosed));
    let resized = host.client.resize(&host.sandbox, &key(), atoll_types::TerminalSize::default()).await;
    assert!(matches!(resized, Err(AgentError::Refused(text)) if text.contains("restart it")));
}
