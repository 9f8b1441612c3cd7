//! What every answer has in common.

use reqwest::Method;
use serde_json::json;

use crate::kit::{Options, Server};

#[tokio::test]
async fn unknown_routes_and_methods_answer_with_the_envelope() {
    let server = Server::start().await;
    let user = server.user("a").await;
    for client in [&server.anonymous(), &user] {
        client.get("/nothing/here").await.is(404, "route_not_found");
        client.get("/").await.is(404, "route_not_found");
        client.get("/docs/../../etc/passwd").await.is(404, "route_not_found");
        client.send(client.request(Method::PUT, "/health")).await.is(405, "method_not_allowed");
        client.send(client.request(Method::PATCH, "/auth/login")).await.is(405, "method_not_allowed");
    }
    user.send(user.request(Method::PUT, "/sandboxes")).await.is(405, "method_not_allowed");
}

#[tokio::test]
async fn a_trace_id_is_taken_over() {
    let server = Server::start().await;
    let client = server.anonymous();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let answer = client.send(client.request(Method::GET, "/nothing").header("traceparent", parent)).await;
    assert_eq!(answer.headers["x-trace-id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(answer.body["error"]["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test]
async fn health_is_bare_and_shows_what_is_wrong() {
    let server = Server::start().await;
    let client = server.anonymous();
    let health = client.get("/health").await;
    assert_eq!(
        (health.status, &health.body["status"], &health.body["db"]),
        (200, &json!("ok"), &json!("ok"))
    );
    assert_eq!((&health.body["containers"], &health.body["docker"]), (&json!(0), &json!("absent")));
    assert_eq!(health.body["runtimes"]["native"]["status"], "ok");
    assert_eq!(client.get("/health/ready").await.status, 200);

    server.runtime.set_available(false);
    assert_eq!(client.get("/health").await.body["status"], "degraded");
    let ready = client.get("/health/ready").await;
    assert_eq!((ready.status, &ready.body["status"]), (503, &json!("degraded")));
    assert_eq!(client.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn requests_wait_for_the_start() {
    let server = Server::with(Options { unready: true, ..Options::default() }).await;
    let client = server.anonymous();
    assert_eq!(client.get("/health/live").await.status, 200);
    assert_eq!(client.get("/health/ready").await.body["status"], "starting");
    let waiting = client.clone();
    let request = waiting.get("/auth/me");
    tokio::pin!(request);
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), &mut request).await;
    assert!(early.is_err(), "{early:?}");
    server.ready.send_replace(true);
    request.await.is(401, "unauthorized");
}

#[tokio::test]
async fn what_failed_inside_stays_inside() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let error = atoll_ports::RuntimeError::Unavailable("no launcher".to_owned());
    server.runtime.faults().always("start", error);
    let answer = user.post("/sandboxes", json!({})).await;
    assert!([502, 503].contains(&answer.status), "{answer:?}");

    server.store.faults().always("api_key_list", atoll_testkit::StoreFault);
    let answer = user.get("/api-keys").await;
    assert!(answer.status >= 500, "{answer:?}");
    assert!(!answer.body.to_string().contains("fault"), "{answer:?}");
}

#[tokio::test]
async fn requests_under_way_are_finished_at_the_end() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let gate = atoll_testkit::Gate::closed();
    server.runtime.faults().nth_of("stop", 1, atoll_testkit::Fault::Wait(gate.clone()));
    let (client, path) = (user.clone(), format!("/sandboxes/{sandbox}/stop"));
    let request = client.act(&path);
    tokio::pin!(request);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(200), &mut request).await.is_err());
    let shutdown = server.tasks.shutdown(std::time::Duration::from_secs(10));
    tokio::pin!(shutdown);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(200), &mut shutdown).await.is_err());
    assert!(user.http.get(format!("{}/health/live", user.base)).send().await.is_err(), "still accepting");
    gate.open();
    let (answer, report) = tokio::join!(request, shutdown);
    assert_eq!(answer.data()["state"], "stopped");
    assert!(report.late.is_empty(), "{report:?}");
}
