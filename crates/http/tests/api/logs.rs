//! Logs as they come.

use atoll_ports::AgentLink;
use atoll_testkit::Script;
use serde_json::{Value, json};

use crate::kit::{Client, Server};
use crate::streams::connect;

/// A sandbox whose main process writes two lines and a half, and the rest when it is released; and the id of its exec.
async fn sandbox(server: &Server, user: &Client) -> (String, String) {
    server.agents.script(|start| {
        let lines =
            || Script::new().stdout("one\ntwo\nthr").hold().stdout("ee\nfour\n").stderr("bad").exit(0);
        (start.argv == ["main"]).then(lines)
    });
    let made = user.post("/sandboxes", json!({"command": ["main"]})).await;
    let id = made.data()["id"].as_str().unwrap().to_owned();
    let held = server.agents.list(&id.parse().unwrap()).await.unwrap();
    (id, held[0].exec.to_string())
}

fn lines(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["line"].as_str().unwrap()).collect()
}

fn release(server: &Server, id: &str, exec: &str) {
    server.agents.release(&id.parse().unwrap(), &exec.parse().unwrap());
}

#[tokio::test]
async fn lines_that_are_there_come_first_and_then_those_that_come() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let (id, exec) = sandbox(&server, &user).await;
    let path = format!("/ws/sandboxes/{id}/logs");
    let mut all = connect(&server, &path, user.token.as_deref()).await;
    assert_eq!(all.next().await.unwrap()["line"], "one");
    assert_eq!(all.next().await.unwrap()["line"], "two");
    let mut last = connect(&server, &format!("{path}?tail=1"), user.token.as_deref()).await;
    assert_eq!(last.next().await.unwrap()["line"], "two");
    release(&server, &id, &exec);
    for stream in [&mut all, &mut last] {
        let (rest, code) = stream.rest().await;
        assert_eq!((lines(&rest), code), (vec!["three", "four", "bad"], Some(1000)));
        assert_eq!((&rest[0]["stream"], &rest[2]["stream"]), (&json!("stdout"), &json!("stderr")));
        assert!(rest[0]["time"].as_str().unwrap().ends_with('Z'));
    }
    // Once it has ended, all of it comes at once; a client that was cut off asks for what is behind what it has.
    let (again, code) = connect(&server, &path, user.token.as_deref()).await.rest().await;
    assert_eq!((lines(&again), code), (vec!["one", "two", "three", "four", "bad"], Some(1000)));
    let seq = again[2]["seq"].as_u64().unwrap();
    let behind = format!("{path}?after_seq={}", seq - 1);
    let (behind, _) = connect(&server, &behind, user.token.as_deref()).await.rest().await;
    assert_eq!(lines(&behind), ["three", "four", "bad"]);
    let (tail, _) = connect(&server, &format!("{path}?tail=2"), user.token.as_deref()).await.rest().await;
    assert_eq!(lines(&tail), ["four", "bad"]);
    let shown = user.get(&format!("/sandboxes/{id}/logs")).await;
    assert_eq!(shown.data()["lines"], Value::Array(again));
}

#[tokio::test]
async fn a_stop_of_the_sandbox_ends_it_and_a_stop_of_the_server_says_so() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let (id, _) = sandbox(&server, &user).await;
    let (other, _) = sandbox(&server, &user).await;
    let mut stopped = connect(&server, &format!("/ws/sandboxes/{id}/logs"), user.token.as_deref()).await;
    let mut cut = connect(&server, &format!("/ws/sandboxes/{other}/logs"), user.token.as_deref()).await;
    assert_eq!(stopped.next().await.unwrap()["line"], "one");
    user.delete(&format!("/sandboxes/{id}")).await;
    let (rest, code) = stopped.rest().await;
    assert_eq!((lines(&rest), code), (vec!["two", "thr"], Some(1000)), "what has no end is the last line");
    server.stopping.cancel();
    assert_eq!(cut.rest().await.1, Some(1001));
}

#[tokio::test]
async fn without_a_main_process_there_is_nothing_to_wait_for() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let id = user.sandbox().await;
    let path = format!("/ws/sandboxes/{id}/logs");
    assert_eq!(connect(&server, &path, user.token.as_deref()).await.rest().await, (vec![], Some(1000)));
    user.get(&path).await.is(400, "invalid_request");
    let strange = server.user("b").await;
    let (said, code) = connect(&server, &path, strange.token.as_deref()).await.rest().await;
    assert_eq!((&said[0]["error"]["code"], code), (&json!("sandbox_not_found"), Some(4404)));
}
