//! Quotas.

use atoll_types::Quota;
use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, Options, Server};

async fn tight() -> Server {
    let quota = Quota { sandboxes: 5, cpu_millis: 2_500, execs_per_hour: 5, ..Quota::default() };
    Server::with(Options { quota, ..Options::default() }).await
}

async fn put(client: &Client, path: &str, body: Value) -> Answer {
    client.send(client.request(Method::PUT, path).json(&body)).await
}

#[tokio::test]
async fn usage_shows_what_is_taken_and_warns() {
    let server = tight().await;
    let user = server.user("ann").await;
    let usage = user.get("/usage").await.data().clone();
    assert_eq!(usage["sandboxes"], json!({"used": 0.0, "quota": 5.0, "percent": 0.0, "warning": false}));
    assert_eq!(usage["warnings"], json!([]));
    let id = user.sandbox().await;
    user.sandbox().await;
    let usage = user.get("/usage").await.data().clone();
    assert_eq!(usage["cpu"], json!({"used": 2.0, "quota": 2.5, "percent": 80.0, "warning": true}), "{usage}");
    assert_eq!(usage["storageBytes"]["used"].as_f64(), Some(4_294_967_296.0));
    assert_eq!(usage["warnings"], json!(["cpu"]));
    user.act(&format!("/sandboxes/{id}/stop")).await.data();
    let usage = user.get("/usage").await.data().clone();
    assert_eq!((&usage["cpu"]["used"], &usage["sandboxes"]["used"]), (&json!(1.0), &json!(2.0)));
}

#[tokio::test]
async fn what_is_beyond_a_quota_is_refused_with_what_would_help() {
    let server = tight().await;
    let user = server.user("ann").await;
    let first = user.sandbox().await;
    user.sandbox().await;
    let refused = user.post("/sandboxes", json!({})).await;
    refused.is(429, "quota_exceeded");
    assert!(refused.message().contains("2 of 2.5 cores"), "{refused:?}");
    assert_eq!(refused.headers["retry-after"], "60");
    // Half a core fits; then a stopped one has no room to come up until another goes down.
    user.post("/sandboxes", json!({"cpu": 0.5})).await.data();
    user.act(&format!("/sandboxes/{first}/stop")).await.data();
    let second = user.sandbox().await;
    user.act(&format!("/sandboxes/{first}/start")).await.is(429, "quota_exceeded");
    user.act(&format!("/sandboxes/{second}/stop")).await.data();
    assert_eq!(user.act(&format!("/sandboxes/{first}/start")).await.data()["state"], "running");
}

#[tokio::test]
async fn of_many_at_once_no_more_pass_than_may() {
    let server = tight().await;
    let user = server.user("ann").await;
    let asks = (0..10).map(|_| user.post("/sandboxes", json!({"cpu": 1})));
    let answers = futures_util::future::join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 2);
}

#[tokio::test]
async fn execs_have_an_hourly_rate() {
    let server = tight().await;
    let user = server.user("ann").await;
    let id = user.sandbox().await;
    let run = async || user.post(&format!("/sandboxes/{id}/exec"), json!({"command": ["true"]})).await;
    for _ in 0..5 {
        run().await.data();
    }
    run().await.is(429, "quota_exceeded");
    let usage = user.get("/usage").await.data().clone();
    assert_eq!((&usage["execsPerHour"]["used"], &usage["warnings"]), (&json!(5.0), &json!(["execsPerHour"])));
    server.clock.advance(std::time::Duration::from_secs(3_700));
    // The first may have stopped for being idle.
    let id = user.post("/sandboxes", json!({"cpu": 0.5})).await.data()["id"].as_str().unwrap().to_owned();
    user.post(&format!("/sandboxes/{id}/exec"), json!({"command": ["true"]})).await.data();
}

#[tokio::test]
async fn an_admin_gives_a_user_another_quota() {
    let server = tight().await;
    let (admin, user) = (server.user("boss").await, server.user("ann").await);
    let id = user.get("/auth/me").await.data()["id"].as_str().unwrap().to_owned();
    let path = format!("/admin/quotas/{id}");
    user.get(&path).await.is(403, "forbidden");
    put(&user, &path, json!({"sandboxes": 100})).await.is(403, "forbidden");
    let set = put(&admin, &path, json!({"cpu": 7.5, "memory": 512, "sandboxes": 1})).await;
    let quota = json!({"sandboxes": 1, "cpu": 7.5, "memory": 512, "storage": 20_480, "egress": 51_200, "execsPerHour": 5});
    assert_eq!(set.data()["quota"], quota);
    assert_eq!(set.data()["own"], json!({"sandboxes": 1, "cpu": 7.5, "memory": 512}));
    assert_eq!(admin.get(&path).await.data(), set.data());
    user.sandbox().await;
    user.post("/sandboxes", json!({})).await.is(429, "quota_exceeded");
    assert_eq!(put(&admin, &path, json!({})).await.data()["quota"]["sandboxes"], 5);
    user.sandbox().await;
    admin.get("/admin/quotas/0123456789abcdef").await.is(404, "account_not_found");
    admin.get("/admin/quotas/nobody").await.is(404, "account_not_found");
    let wrong = put(&admin, &path, json!({"cpu": -1.0, "sandboxes": u64::MAX})).await;
    wrong.is(400, "invalid_request");
    assert_eq!(wrong.fields(), ["sandboxes", "cpu"]);
    put(&admin, &path, json!({"cpus": 1})).await.is(400, "invalid_request");
}

#[tokio::test]
async fn the_past_of_a_sandbox_is_shown() {
    let server = Server::start().await;
    let (user, other) = (server.user("ann").await, server.user("bob").await);
    let id = user.sandbox().await;
    let history = user.get(&format!("/sandboxes/{id}/metrics/history")).await.data().clone();
    assert_eq!(history["intervalSeconds"], 10);
    assert!(history["points"].is_array());
    assert_eq!(
        user.get(&format!("/sandboxes/{id}/metrics/history?resolution=1m")).await.data()["intervalSeconds"],
        60
    );
    user.get(&format!("/sandboxes/{id}/metrics/history?resolution=2m")).await.is(400, "invalid_request");
    user.get(&format!("/sandboxes/{id}/metrics/history?since=now")).await.is(400, "invalid_request");
    assert_ne!(other.get(&format!("/sandboxes/{id}/metrics/history")).await.status, 200);
}
