//! `ATOLL_AUTH=none`.

use reqwest::Method;
use serde_json::json;

use crate::kit::{Options, Server};
use crate::streams::{connect, handshake};

async fn single() -> Server {
    Server::with(Options { single_user: true, ..Options::default() }).await
}

#[tokio::test]
async fn everything_works_without_a_token() {
    let server = single().await;
    let anyone = server.anonymous();
    let sandbox = anyone.sandbox().await;
    let exec = anyone.post(&format!("/sandboxes/{sandbox}/exec"), json!({"command": "echo hi"})).await;
    assert_eq!(exec.data()["stdout"], "hi\n");
    assert_eq!(anyone.get("/auth/me").await.data()["role"], "admin");
    let path = format!("/sandboxes/{sandbox}/stream?exec_id={}", exec.data()["id"].as_str().unwrap());
    assert_eq!(connect(&server, &path, None).await.rest().await.1, Some(1000));
}

#[tokio::test]
async fn there_are_no_other_accounts() {
    let server = single().await;
    let body = json!({"email": "x@example.com", "password": "password123"});
    server.anonymous().post("/auth/signup", body.clone()).await.is(403, "forbidden");
    server.anonymous().post("/auth/login", body).await.is(403, "forbidden");
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let server = single().await;
    let anyone = server.anonymous();
    let sandbox = anyone.sandbox().await;
    for (name, value) in [("host", "evil.example"), ("origin", "https://evil.example"), ("origin", "null")] {
        let request = anyone.request(Method::POST, &format!("/sandboxes/{sandbox}/stop")).header(name, value);
        anyone.send(request).await.is(403, "forbidden");
        let stream =
            handshake(&server, &format!("/sandboxes/{sandbox}/stream?exec_id=x"), &[(name, value)]).await;
        assert_eq!(stream.err().unwrap(), 403, "{name}: {value}");
    }
    assert_eq!(anyone.get(&format!("/sandboxes/{sandbox}")).await.data()["state"], "running");
}
