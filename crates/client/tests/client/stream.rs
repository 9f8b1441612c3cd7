//! The stream over connections that break.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atoll_client::{Client, ClientError, ExecEvent, ExecEventKind};
use atoll_types::OutputStream;
use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;

use crate::server::Server;

/// What one connection does.
enum Play {
    /// Sends these messages, then drops the connection without a word.
    Drop(Vec<String>),
    /// Sends these messages, then closes politely, as a server that stops does.
    Close(Vec<String>),
    /// Says what went wrong, then closes with this code.
    Fail(&'static str, u16),
    /// Refuses the upgrade.
    Refuse(u16, &'static str),
}

#[derive(Clone)]
struct Script {
    plays: Arc<Mutex<VecDeque<Play>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

fn event(seq: u64, rest: &str) -> String {
    format!(
        r#"{{"sandbox_id":"0123456789ab","exec_id":"0123456789abcdefghjk","seq":{seq},"time":"t",{rest}}}"#
    )
}

fn start() -> String {
    event(1, r#""type":"start","stream":null,"data":null,"exit_code":null"#)
}

fn output(seq: u64, text: &str) -> String {
    let data = STANDARD.encode(text);
    event(seq, &format!(r#""type":"output","stream":"stdout","data":"{data}","exit_code":null"#))
}

fn exit(seq: u64) -> String {
    event(seq, r#""type":"exit","stream":null,"data":null,"exit_code":3"#)
}

async fn handle(
    State(script): State<Script>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
    ws: WebSocketUpgrade,
) -> Response {
    assert_eq!(headers["authorization"], "Bearer token");
    let after = query.into_iter().find(|(k, _)| k == "after_seq").unwrap().1;
    script.asked.lock().unwrap().push(after);
    let play = script.plays.lock().unwrap().pop_front().unwrap_or(Play::Refuse(500, "the script is over"));
    match play {
        Play::Refuse(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Play::Drop(messages) => ws.on_upgrade(async move |mut socket| send(&mut socket, messages).await),
        Play::Fail(body, code) => ws.on_upgrade(async move |mut socket| {
            send(&mut socket, vec![body.to_owned()]).await;
            let _closed = socket.send(Message::Close(Some(CloseFrame { code, reason: "why".into() }))).await;
        }),
        Play::Close(messages) => ws.on_upgrade(async move |mut socket| {
            send(&mut socket, messages).await;
            let frame = CloseFrame { code: 1001, reason: "stopping".into() };
            let _closed = socket.send(Message::Close(Some(frame))).await;
        }),
    }
}

async fn send(socket: &mut WebSocket, messages: Vec<String>) {
    for message in messages {
        let _sent = socket.send(Message::Text(message.into())).await;
    }
}

/// Plays, and answers with what the reader saw and what the server was asked.
async fn play(plays: Vec<Play>, after_seq: u64) -> (Vec<Result<ExecEvent, ClientError>>, Vec<String>) {
    let script = Script { plays: Arc::new(Mutex::new(plays.into())), asked: Arc::default() };
    let server =
        Server::start(Router::new().route("/sandboxes/{id}/stream", get(handle)).with_state(script.clone()));
    let client = Client::new(&server.url(), Some("token")).unwrap();
    let events = client.exec_events(
        &"0123456789ab".parse().unwrap(),
        &"0123456789abcdefghjk".parse().unwrap(),
        after_seq,
    );
    let seen =
        tokio::time::timeout(Duration::from_secs(20), events.collect()).await.expect("the stream ends");
    let asked = script.asked.lock().unwrap().clone();
    (seen, asked)
}

fn text(seen: &[Result<ExecEvent, ClientError>]) -> String {
    let mut text = String::new();
    for event in seen {
        match &event.as_ref().unwrap().kind {
            ExecEventKind::Start => text.push('^'),
            ExecEventKind::Output(OutputStream::Stdout, data) => {
                text.push_str(std::str::from_utf8(data).unwrap())
            }
            ExecEventKind::Output(OutputStream::Stderr, _) => text.push('!'),
            ExecEventKind::Exit(code) => text.push_str(&format!("={code:?}")),
        }
    }
    text
}

#[tokio::test]
async fn one_connection_from_start_to_exit() {
    let (seen, asked) = play(vec![Play::Close(vec![start(), output(2, "a"), exit(3)])], 0).await;
    assert_eq!(text(&seen), "^a=Some(3)");
    assert_eq!(asked, ["0"]);
}

#[tokio::test]
async fn broken_connections_leave_no_gap_and_no_repeat() {
    let plays = vec![
        Play::Drop(vec![]),
        Play::Drop(vec![start(), output(2, "a")]),
        Play::Refuse(
            503,
            r#"{"success":false,"error":{"code":"unavailable","message":"starting","traceId":"t"}}"#,
        ),
        // This one repeats what is known already.
        Play::Close(vec![start(), output(2, "a"), output(3, "b")]),
        Play::Refuse(502, "bad gateway"),
        // And this one leaves something out: what follows the gap is not given on.
        Play::Drop(vec![output(5, "d"), exit(6)]),
        Play::Drop(vec![output(4, "c"), output(5, "d"), exit(6)]),
    ];
    let (seen, asked) = play(plays, 0).await;
    assert_eq!(text(&seen), "^abcd=Some(3)");
    assert_eq!(asked, ["0", "0", "2", "2", "3", "3", "3"]);
}

#[tokio::test]
async fn the_reader_chooses_where_to_begin() {
    let (seen, asked) = play(vec![Play::Close(vec![output(8, "x"), exit(9)])], 7).await;
    assert_eq!(text(&seen), "x=Some(3)");
    assert_eq!(asked, ["7"]);
}

#[tokio::test]
async fn a_4xx_is_final() {
    let gone = r#"{"success":false,"error":{"code":"events_expired","message":"gone","details":{"firstSeq":9},"traceId":"t"}}"#;
    let (seen, asked) = play(vec![Play::Drop(vec![start()]), Play::Refuse(410, gone)], 0).await;
    assert!(seen[0].is_ok());
    assert_eq!(seen[1].as_ref().unwrap_err().code(), Some("events_expired"));
    assert_eq!((seen.len(), asked.len()), (2, 2));
}

#[tokio::test]
async fn senseless_messages_are_not_tried_for_ever() {
    let plays = (0..20).map(|_| Play::Drop(vec!["{}".to_owned()])).collect();
    let (seen, asked) = play(plays, 0).await;
    assert!(matches!(seen.as_slice(), [Err(ClientError::Protocol { .. })]), "{seen:?}");
    assert_eq!(asked.len(), 6);
}

#[tokio::test]
async fn a_failure_on_the_stream_is_as_final_as_its_status() {
    let failure =
        r#"{"success":false,"error":{"code":"exec_not_found","message":"no such exec","traceId":"t"}}"#;
    let (seen, asked) =
        play(vec![Play::Fail(failure, 4503), Play::Fail(failure, 4404), Play::Close(vec![start()])], 0).await;
    let [Err(ClientError::Api(error))] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((error.status, error.code.as_str(), asked.len()), (404, "exec_not_found", 2));
}

/// The library picks its cryptography at run time, and panics when it cannot.
#[tokio::test]
async fn tls_can_be_set_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || listener.accept().map(drop).unwrap());
    let client = Client::new(&url, Some("token")).unwrap();
    let mut events =
        client.exec_events(&"0123456789ab".parse().unwrap(), &"0123456789abcdefghjk".parse().unwrap(), 0);
    let first = tokio::time::timeout(Duration::from_millis(500), events.next()).await;
    assert!(first.is_err(), "nothing speaks TLS there, so it tries again: {first:?}");
    server.join().unwrap();
}
