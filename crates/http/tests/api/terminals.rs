//! Terminals, over both paths and both framings.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::kit::{Client, Server};
use crate::streams::{Stream, connect, handshake};

/// Guard against what never happens.
const SOON: Duration = Duration::from_secs(20);

impl Stream {
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            match tokio::time::timeout(SOON, self.0.next()).await.expect("a message").unwrap().unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    pub(crate) async fn type_in(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.unwrap();
    }

    /// Reads plain output until it ends so.
    pub(crate) async fn output_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            match self.message().await {
                Message::Binary(data) => text.push_str(std::str::from_utf8(&data).unwrap()),
                other => panic!("{other:?} after {text:?}"),
            }
        }
        text
    }

    /// The next control message; the output that came before it.
    pub(crate) async fn control(&mut self) -> (Value, Vec<u8>) {
        let mut output = Vec::new();
        loop {
            let Message::Binary(data) = self.message().await else { panic!("no control message") };
            match data[0] {
                1 => output.extend(&data[1..]),
                2 => return (serde_json::from_slice(&data[1..]).unwrap(), output),
                other => panic!("channel {other}"),
            }
        }
    }

    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.message().await {
                Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
                Message::Close(None) => panic!("closed without a reason"),
                _ => {}
            }
        }
    }
}

async fn with_channels(server: &Server, user: &Client, path: &str) -> Stream {
    let bearer = format!("Bearer {}", user.token.as_deref().unwrap());
    let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "atoll.terminal.v1")];
    handshake(server, path, &headers).await.unwrap_or_else(|status| panic!("{status}"))
}

#[tokio::test]
async fn plain_clients_type_text_or_bytes_and_read_bytes() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    for prefix in ["", "/ws"] {
        let path = format!("{prefix}/sandboxes/{sandbox}/terminal?cols=100&rows=30");
        let mut one = connect(&server, &path, user.token.as_deref()).await;
        one.type_in("echo a\r").await;
        one.output_until("echo a\r\n").await;
        one.type_in(Message::Binary(b"\x00\x02\r".to_vec().into())).await;
        assert_eq!(one.output_until("\r\n").await, "\0\u{2}\r\n");
        // Another one at the same terminal.
        let mut two = connect(&server, &path, user.token.as_deref()).await;
        assert_eq!(two.output_until("\u{2}\r\n").await, "echo a\r\n\0\u{2}\r\n");
        let listed = user.get(&format!("/sandboxes/{sandbox}/terminals")).await;
        let main = &listed.body["data"][0];
        assert_eq!(
            (&main["name"], &main["cols"], &main["rows"], &main["exitCode"]),
            (&json!("main"), &json!(100), &json!(30), &json!(null))
        );
        two.type_in("exit 5\r").await;
        assert_eq!(
            (one.closed().await, two.closed().await),
            ((1000, "exited 5".into()), (1000, "exited 5".into()))
        );
    }
}

#[tokio::test]
async fn channels_tell_sizes_offsets_and_the_end() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let path = format!("/sandboxes/{sandbox}/terminal?terminal=work");
    let mut one = with_channels(&server, &user, &path).await;
    let (hello, _) = one.control().await;
    assert_eq!(
        (&hello["type"], &hello["terminal"], &hello["made"], &hello["offset"], &hello["end"]),
        (&json!("attached"), &json!("work"), &json!(true), &json!(0), &json!(0))
    );
    one.type_in(Message::Binary(b"\0abc\r".to_vec().into())).await;
    one.type_in(Message::Binary(b"\x02{\"type\":\"resize\",\"cols\":132,\"rows\":50}".to_vec().into())).await;
    let (resized, output) = one.control().await;
    assert_eq!(
        (&resized["type"], &resized["cols"], output.as_slice()),
        (&json!("resized"), &json!(132), &b"abc\r\n"[..])
    );
    let body = json!({"terminal": "work", "cols": 90, "rows": 40});
    user.post(&format!("/sandboxes/{sandbox}/terminal/resize"), body).await.data();
    assert_eq!(one.control().await.0["rows"], 40);
    drop(one);

    // Cut off, and back: only what was not seen.
    let back = format!("{path}&generation={}&after=2", hello["generation"]);
    let mut two = with_channels(&server, &user, &back).await;
    let (hello, _) = two.control().await;
    assert_eq!((&hello["made"], &hello["offset"], &hello["end"]), (&json!(false), &json!(2), &json!(5)));
    two.type_in(Message::Binary(b"\0exit 4\r".to_vec().into())).await;
    let (exit, output) = two.control().await;
    assert_eq!((&exit["type"], &exit["exitCode"]), (&json!("exit"), &json!(4)));
    assert_eq!(output, b"c\r\nexit 4\r\n");
    assert_eq!(two.closed().await, (1000, "exited 4".to_owned()));

    // Another one of its name is not taken for it.
    with_channels(&server, &user, &path).await.control().await;
    let mut three = with_channels(&server, &user, &back).await;
    let (failed, _) = three.control().await;
    assert_eq!((&failed["type"], &failed["error"]["code"]), (&json!("failed"), &json!("terminal_not_found")));
    assert_eq!(three.closed().await.0, 4404);
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_its_name() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let path = format!("/sandboxes/{sandbox}/terminal");
    let bearer = format!("Bearer {}", user.token.as_deref().unwrap());
    let headers = [("authorization", bearer.as_str())];
    for query in
        ["cols=0", "rows=1001", "terminal=a/b", "user=a%20b", "cwd=x", "term=", "linger=0", "after=1", "x=1"]
    {
        let status = handshake(&server, &format!("{path}?{query}"), &headers).await.err();
        assert_eq!(status, Some(400), "{query}");
    }
    user.get(&path).await.is(400, "invalid_request");
    let answer =
        user.post(&format!("{path}/resize"), json!({"cols": 0, "rows": 24, "terminal": "a/b"})).await;
    assert_eq!((answer.status, answer.fields()), (400, vec!["cols", "terminal"]));
    user.post(&format!("{path}/resize"), json!({"cols": 80, "rows": 24})).await.is(404, "terminal_not_found");
    let close = format!("/sandboxes/{sandbox}/terminals/none");
    user.delete(&close).await.is(404, "terminal_not_found");

    let mut stream = with_channels(&server, &user, &path).await;
    stream.control().await;
    stream.type_in(Message::Binary(b"\x07x".to_vec().into())).await;
    let (failed, _) = stream.control().await;
    assert_eq!((&failed["error"]["code"], stream.closed().await.0), (&json!("invalid_request"), 4400));
    // The terminal is not to blame.
    let listed = user.get(&format!("/sandboxes/{sandbox}/terminals")).await;
    assert_eq!(listed.body["data"][0]["exitCode"], json!(null));
    assert_eq!(user.delete(&format!("/sandboxes/{sandbox}/terminals/main")).await.data()["deleted"], true);
}

#[tokio::test]
async fn a_page_of_another_site_opens_nothing() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let path = format!("/sandboxes/{sandbox}/terminal?token={}", user.token.as_deref().unwrap());
    let own = format!("http://{}", server.address);
    assert!(handshake(&server, &path, &[("origin", &own)]).await.is_ok());
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(handshake(&server, &path, &[("origin", origin)]).await.err(), Some(403), "{origin}");
    }
}

#[tokio::test]
async fn a_sandbox_that_is_down_or_a_server_that_stops_says_so() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let (sandbox, other) = (user.sandbox().await, user.sandbox().await);
    let mut open = with_channels(&server, &user, &format!("/sandboxes/{sandbox}/terminal")).await;
    open.control().await;
    user.act(&format!("/sandboxes/{other}/stop")).await.data();
    let mut down = connect(&server, &format!("/sandboxes/{other}/terminal"), user.token.as_deref()).await;
    let Message::Text(text) = down.message().await else { panic!("no failure") };
    let failure: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&failure["error"]["code"], down.closed().await.0), (&json!("sandbox_not_running"), 4409));
    server.stopping.cancel();
    assert_eq!(open.closed().await.0, 1001);
}
