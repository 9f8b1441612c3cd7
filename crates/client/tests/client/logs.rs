//! Logs over connections that break.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atoll_client::{Client, ClientError, LogFilter};
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocketUpgrade};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;
use futures_util::StreamExt;

use crate::server::Server;

/// Lines of one connection by the events that ended them, and the code that closes it; none: it breaks.
type Play = (Vec<(u64, &'static str)>, Option<u16>);

#[derive(Clone)]
struct Script {
    plays: Arc<Mutex<VecDeque<Play>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn handle(State(script): State<Script>, uri: Uri, ws: WebSocketUpgrade) -> Response {
    script.asked.lock().unwrap().push(uri.query().unwrap_or_default().to_owned());
    let (lines, code) = script.plays.lock().unwrap().pop_front().unwrap();
    ws.on_upgrade(async move |mut socket| {
        for (seq, line) in lines {
            let text = match line.strip_prefix("error: ") {
                Some(why) => format!(
                    r#"{{"success":false,"error":{{"code":"sandbox_not_found","message":"{why}","traceId":"t"}}}}"#
                ),
                None => format!(r#"{{"seq":{seq},"time":"t","stream":"stdout","line":"{line}"}}"#),
            };
            let _sent = socket.send(Message::Text(text.into())).await;
        }
        if let Some(code) = code {
            let frame = CloseFrame { code, reason: "why".into() };
            let _closed = socket.send(Message::Close(Some(frame))).await;
        }
    })
}

async fn play(plays: Vec<Play>) -> (Vec<Result<String, ClientError>>, Vec<String>) {
    let script = Script { plays: Arc::new(Mutex::new(plays.into())), asked: Arc::default() };
    let routes = Router::new().route("/ws/sandboxes/{id}/logs", get(handle)).with_state(script.clone());
    let server = Server::start(routes);
    let client = Client::new(&server.url(), Some("token")).unwrap();
    let filter = LogFilter { tail: Some(7), since: None };
    let lines = client.sandbox_log_lines(&"0123456789ab".parse().unwrap(), &filter);
    let lines = lines.map(|line| line.map(|line| line.line)).collect();
    let seen = tokio::time::timeout(Duration::from_secs(20), lines).await.expect("the stream ends");
    let asked = script.asked.lock().unwrap().clone();
    (seen, asked)
}

#[tokio::test]
async fn nothing_is_missed_and_nothing_comes_twice() {
    let (seen, asked) = play(vec![
        (vec![(2, "one"), (4, "two"), (4, "three")], None),
        // Of the event that was cut in the middle, what was seen comes again.
        (vec![(4, "two"), (4, "three"), (4, "four")], Some(1001)),
        (vec![(4, "two"), (4, "three"), (4, "four"), (9, "five")], Some(1000)),
    ])
    .await;
    let seen: Vec<String> = seen.into_iter().map(Result::unwrap).collect();
    assert_eq!(seen, ["one", "two", "three", "four", "five"]);
    assert_eq!(asked, ["tail=7", "after_seq=3", "after_seq=3"]);
}

#[tokio::test]
async fn a_refusal_ends_it() {
    let (seen, asked) = play(vec![(vec![(2, "one"), (0, "error: gone")], Some(4404))]).await;
    assert_eq!((seen.len(), asked.len()), (2, 1));
    assert!(
        matches!(&seen[1], Err(ClientError::Api(error)) if error.status == 404 && error.message == "gone")
    );
}
