//! Streams.

use std::time::Duration;

use atoll_testkit::Script;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::kit::Server;

pub(crate) struct Stream(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Opens a stream, or says with which status it was refused.
pub(crate) async fn handshake(
    server: &Server,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<Stream, u16> {
    let mut request = format!("ws://{}{path}", server.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((stream, _)) => Ok(Stream(stream)),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn connect(server: &Server, path: &str, token: Option<&str>) -> Stream {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
    handshake(server, path, &headers).await.unwrap_or_else(|status| panic!("{path}: {status}"))
}

impl Stream {
    /// The next message, or the code that closed it.
    pub(crate) async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            let message =
                tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.expect("a message");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The code that closes it, whatever comes before.
    pub(crate) async fn ended(&mut self) -> Option<u16> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Everything until it is closed, and the code that closed it.
    pub(crate) async fn rest(&mut self) -> (Vec<Value>, Option<u16>) {
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Ok(message) => messages.push(message),
                Err(code) => return (messages, code),
            }
        }
    }
}

fn output(messages: &[Value]) -> String {
    messages.iter().filter_map(|message| message["data"].as_str()).collect()
}

#[tokio::test]
async fn events_are_exactly_as_documented() {
    let server = Server::start().await;
    server
        .agents
        .script(|start| (start.argv[0] == "w").then(|| Script::new().stdout("a").stderr("é").exit(7)));
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let exec = user.post(&format!("/sandboxes/{sandbox}/exec"), json!({"command": ["w"]})).await;
    let exec = exec.data()["id"].as_str().unwrap();
    let path = format!("/sandboxes/{sandbox}/stream?exec_id={exec}");
    let (messages, code) = connect(&server, &path, user.token.as_deref()).await.rest().await;
    assert_eq!(code, Some(1000));
    let event = |seq: u64, kind: &str, stream: Value, data: Value, exit: Value, time: &Value| json!({"sandbox_id": sandbox, "exec_id": exec, "seq": seq, "type": kind, "stream": stream, "data": data, "exit_code": exit, "time": time});
    let none = json!(null);
    let expected = [
        event(1, "start", none.clone(), none.clone(), none.clone(), &messages[0]["time"]),
        event(2, "output", json!("stdout"), json!("a"), none.clone(), &messages[1]["time"]),
        event(3, "output", json!("stderr"), json!("é"), none.clone(), &messages[2]["time"]),
        event(4, "exit", none.clone(), none, json!(7), &messages[3]["time"]),
    ];
    assert_eq!(messages, expected);
    assert!(messages[0]["time"].as_str().unwrap().ends_with('Z'));

    let (later, _) = connect(&server, &format!("{path}&after_seq=2&encoding=base64"), user.token.as_deref())
        .await
        .rest()
        .await;
    assert_eq!((later.len(), &later[0]["seq"], &later[0]["data"]), (2, &json!(3), &json!("w6k=")));
    let (none, code) =
        connect(&server, &format!("{path}&after_seq=4"), user.token.as_deref()).await.rest().await;
    assert_eq!((none.len(), code), (0, Some(1000)));
}

#[tokio::test]
async fn the_token_comes_in_any_of_its_three_ways() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let exec = user.sleeper(&sandbox).await;
    let token = user.token.clone().unwrap();
    let path = format!("/sandboxes/{sandbox}/stream?exec_id={exec}");
    let key = user.post("/api-keys", json!({"name": "k"})).await.data()["key"].as_str().unwrap().to_owned();
    assert!(handshake(&server, &format!("{path}&token={token}"), &[]).await.is_ok());
    assert!(handshake(&server, &format!("{path}&token={key}"), &[]).await.is_ok());
    assert!(handshake(&server, &path, &[("x-api-key", &key)]).await.is_ok());
    let protocol = format!("bearer.{token}");
    assert!(handshake(&server, &path, &[("sec-websocket-protocol", &protocol)]).await.is_ok());
    assert_eq!(handshake(&server, &path, &[]).await.err(), Some(401));
    assert_eq!(handshake(&server, &format!("{path}&token=x"), &[]).await.err(), Some(401));
    let plain = server.anonymous();
    plain.get(&format!("/sandboxes/{sandbox}?token={token}")).await.is(401, "unauthorized");
}

#[tokio::test]
async fn a_stream_follows_a_running_command_and_resumes() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let body = json!({"command": ["cat"], "async": true, "openStdin": true});
    let exec = user.post(&format!("/sandboxes/{sandbox}/exec"), body).await.data()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/sandboxes/{sandbox}/stream?exec_id={exec}");
    let mut stream = connect(&server, &path, user.token.as_deref()).await;
    assert_eq!(stream.next().await.unwrap()["type"], "start");
    let stdin = format!("/sandboxes/{sandbox}/execs/{exec}/stdin");
    user.post(&stdin, json!({"data": "one"})).await.data();
    let first = stream.next().await.unwrap();
    assert_eq!((&first["data"], &first["seq"]), (&json!("one"), &json!(2)));
    drop(stream);

    user.post(&stdin, json!({"data": "two", "eof": true})).await.data();
    let (rest, code) =
        connect(&server, &format!("{path}&after_seq=2"), user.token.as_deref()).await.rest().await;
    assert_eq!(
        (output(&rest).as_str(), rest.last().unwrap()["type"].as_str(), code),
        ("two", Some("exit"), Some(1000))
    );
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_up_nobody() {
    let server = Server::start().await;
    let flood = "0123456789abcdef".repeat(1 << 20);
    let bytes = flood.len();
    server
        .agents
        .script(move |start| (start.argv[0] == "flood").then(|| Script::new().stdout(flood.clone())));
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let body = json!({"command": ["flood"], "async": true});
    let exec = user.post(&format!("/sandboxes/{sandbox}/exec"), body).await.data()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/sandboxes/{sandbox}/stream?exec_id={exec}");
    let mut stuck = connect(&server, &path, user.token.as_deref()).await;
    let (all, code) = connect(&server, &path, user.token.as_deref()).await.rest().await;
    assert_eq!((output(&all).len(), code), (bytes, Some(1000)));
    let (late, code) = stuck.rest().await;
    assert_eq!((late.len(), code), (all.len(), Some(1000)), "it was slow, and missed nothing");
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_the_envelope_and_the_code() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let token = user.token.as_deref();
    let sandbox = user.sandbox().await;
    let stream = format!("/sandboxes/{sandbox}/stream");
    let (messages, code) =
        connect(&server, &format!("{stream}?exec_id=00000000000000000000"), token).await.rest().await;
    assert_eq!((messages[0]["error"]["code"].as_str(), code), (Some("exec_not_found"), Some(4404)));
    assert_eq!(messages[0]["error"]["traceId"].as_str().unwrap().len(), 32);

    let bearer = format!("Bearer {}", token.unwrap());
    let headers = [("authorization", bearer.as_str())];
    for (query, status) in
        [("", 400), ("?exec_id=..", 404), ("?exec_id=x&after_seq=-1", 400), ("?exec_id=x&encoding=hex", 400)]
    {
        assert_eq!(
            handshake(&server, &format!("{stream}{query}"), &headers).await.err(),
            Some(status),
            "{query}"
        );
    }
    user.get(&format!("{stream}?exec_id=00000000000000000000")).await.is(400, "invalid_request");
}

#[tokio::test]
async fn a_lost_command_ends_without_a_code() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let exec = user.sleeper(&sandbox).await;
    let path = format!("/sandboxes/{sandbox}/stream?exec_id={exec}");
    let mut stream = connect(&server, &path, user.token.as_deref()).await;
    assert_eq!(stream.next().await.unwrap()["type"], "start");
    server.runtime.crash(&sandbox.parse().unwrap());
    let (rest, code) = stream.rest().await;
    let end = rest.last().unwrap();
    assert_eq!(
        (&end["type"], &end["seq"], &end["exit_code"], code),
        (&json!("exit"), &json!(2), &json!(null), Some(1000))
    );
    let shown = user.get(&format!("/sandboxes/{sandbox}/execs/{exec}")).await;
    assert_eq!(shown.data()["status"], "lost");
}

#[tokio::test]
async fn a_stopping_server_says_that_it_goes() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let exec = user.sleeper(&sandbox).await;
    let path = format!("/sandboxes/{sandbox}/stream?exec_id={exec}");
    let mut stream = connect(&server, &path, user.token.as_deref()).await;
    assert_eq!(stream.next().await.unwrap()["type"], "start");
    server.stopping.cancel();
    assert_eq!(stream.rest().await.1, Some(1001));
}

#[tokio::test]
async fn what_a_client_says_is_bounded_and_ignored() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let exec = user.sleeper(&sandbox).await;
    let path = format!("/sandboxes/{sandbox}/stream?exec_id={exec}");
    let mut stream = connect(&server, &path, user.token.as_deref()).await;
    assert_eq!(stream.next().await.unwrap()["type"], "start");
    stream.0.send(Message::Text("hello".into())).await.unwrap();
    stream.0.send(Message::Binary(vec![0; 1 << 20].into())).await.ok();
    let (rest, code) = stream.rest().await;
    assert!(rest.is_empty() && code != Some(1000), "{code:?}");
    let shown = user.get(&format!("/sandboxes/{sandbox}/execs/{exec}")).await;
    assert_eq!(shown.data()["status"], "running");
}
