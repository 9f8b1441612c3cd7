//! `GET /events`.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::kit::{Client, Server};

/// A listener.
struct Listener {
    response: Response,
    unread: String,
}

impl Listener {
    async fn of(client: &Client, after: Option<&str>) -> Self {
        let mut request = client.request(Method::GET, "/events");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, unread: String::new() }
    }

    /// The next block of lines.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let block = block.to_owned();
                self.unread = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.response.chunk()).await.unwrap();
            self.unread.push_str(str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    /// The next event.
    async fn next(&mut self) -> Value {
        loop {
            let block = self.block().await.expect("an event");
            if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) {
                let event: Value = serde_json::from_str(data).unwrap();
                let line = |name: &str| block.lines().find_map(|l| l.strip_prefix(name).map(str::to_owned));
                assert_eq!(line("id: ").as_deref(), event["id"].as_str(), "{block}");
                assert_eq!(line("event: ").as_deref(), event["type"].as_str(), "{block}");
                return event;
            }
        }
    }

    async fn kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            let event = self.next().await;
            let data = &event["data"];
            let more = data["status"].as_str().or_else(|| data["target"].as_str()).unwrap_or_default();
            kinds.push(format!("{} {more}", event["type"].as_str().unwrap()));
        }
        kinds
    }
}

#[tokio::test]
async fn what_happens_to_ones_own_is_told_in_its_order() {
    let server = Server::start().await;
    let (_admin, user, other) =
        (server.user("boss").await, server.user("ann").await, server.user("bob").await);
    let mut listener = Listener::of(&user, None).await;
    other.sandbox().await;
    let id = user.sandbox().await;
    user.post(&format!("/sandboxes/{id}/exec"), json!({"command": ["true"]})).await.data();
    user.act(&format!("/sandboxes/{id}/stop")).await.data();
    user.delete(&format!("/sandboxes/{id}")).await.data();
    let kinds = listener.kinds(8).await;
    let wanted = [
        "sandbox.created creating",
        "sandbox.changed running",
        "exec.started ",
        "exec.ended exited",
        "sandbox.changed stopping",
        "sandbox.changed stopped",
        "sandbox.changed deleting",
        "sandbox.deleted ",
    ];
    assert_eq!(kinds, wanted);
}

#[tokio::test]
async fn a_listener_goes_on_where_he_was_and_misses_nothing() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    let mut listener = Listener::of(&user, None).await;
    // Before the first event there is a place to go on from, too.
    let greeting = listener.block().await.unwrap();
    let place = greeting.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(listener);
    let id = user.sandbox().await;
    let mut listener = Listener::of(&user, Some(&place)).await;
    let created = listener.next().await;
    assert_eq!((&created["type"], &created["sandboxId"]), (&json!("sandbox.created"), &json!(id)));
    drop(listener);
    let mut listener = Listener::of(&user, created["id"].as_str()).await;
    assert_eq!(listener.next().await["data"]["status"], "running");
}

#[tokio::test]
async fn what_is_not_held_any_more_is_told() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    for after in ["00000000-1", "nonsense", "-", "00000000-99999999999999999999999999"] {
        let request = user.request(Method::GET, "/events").header("last-event-id", after);
        user.send(request).await.is(410, "events_expired");
    }
    let long = "x".repeat(100);
    user.get(&format!("/events?after={long}")).await.is(400, "invalid_request");
    server.anonymous().get("/events").await.is(401, "unauthorized");
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    let mut listener = Listener::of(&user, None).await;
    listener.block().await.unwrap();
    server.stopping.cancel();
    assert_eq!(listener.block().await, None);
}
