//! `GET /metrics`: who may read it, and what is in it.

use serde_json::json;

use crate::kit::{Client, Server};

/// The page, as a program on this machine gets it.
async fn page(client: &Client) -> String {
    let response = client.request(reqwest::Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    response.text().await.unwrap()
}

/// The value of a line, without its labels where `line` has none.
fn value(page: &str, line: &str) -> f64 {
    let found = page.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or_else(|| panic!("no {line} in {page}"))
}

#[tokio::test]
async fn every_name_is_there_from_the_first_look_on() {
    let server = Server::start().await;
    let page = page(&server.anonymous()).await;
    for name in [
        "sandboxes_running",
        "sandboxes_total",
        "environments_total",
        "users_total",
        "sandbox_created_total",
        "sandbox_active",
        "sandbox_exec_total",
        "snapshot_created_total",
        "snapshot_restored_total",
        "quota_violations_total{type=\"sandboxes\"}",
    ] {
        assert!(value(&page, name).abs() < 0.5, "{name}");
    }
    for name in ["sandbox_exec_duration_seconds", "snapshot_size_bytes"] {
        assert!(page.contains(&format!("# TYPE {name} ")), "{name}: {page}");
    }
}

#[tokio::test]
async fn what_happens_is_counted_under_patterns_of_paths() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    let id = user.sandbox().await;
    user.post(&format!("/sandboxes/{id}/exec"), json!({"command": ["true"]})).await.data();
    user.get("/nowhere/at/all").await.is(404, "route_not_found");
    user.get("/elsewhere").await.is(404, "route_not_found");
    let page = page(&server.anonymous()).await;
    let requests = |labels: &str| value(&page, &format!("http_requests_total{{{labels}}}"));
    assert!((requests("method=\"POST\",path=\"/sandboxes/{id}/exec\",status=\"200\"") - 1.0).abs() < 0.1);
    assert!((requests("method=\"GET\",path=\"none\",status=\"404\"") - 2.0).abs() < 0.1);
    for (name, wanted) in [
        ("sandbox_exec_total", 1.0),
        ("sandbox_created_total", 1.0),
        ("sandboxes_total", 1.0),
        ("sandboxes_running", 1.0),
        ("users_total", 1.0),
    ] {
        assert!((value(&page, name) - wanted).abs() < 0.1, "{name}");
    }
    assert!(page.contains("http_request_duration_seconds"), "{page}");
    assert!(!page.contains(&id), "no label without end: {page}");
}

#[tokio::test]
async fn a_refusal_is_a_violation() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    user.post("/sandboxes", json!({"count": 21})).await.is(429, "quota_exceeded");
    assert!(
        (value(&page(&server.anonymous()).await, "quota_violations_total{type=\"sandboxes\"}") - 1.0).abs()
            < 0.1
    );
}

#[tokio::test]
async fn who_comes_from_elsewhere_needs_a_token() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    let proxied = |client: &Client| {
        client.request(reqwest::Method::GET, "/metrics").header("x-forwarded-for", "192.0.2.1")
    };
    server.anonymous().send(proxied(&server.anonymous())).await.is(401, "unauthorized");
    assert_eq!(proxied(&user).send().await.unwrap().status(), 200);
    for (scope, status) in [("metrics:read", 200), ("account:read", 200), ("sandboxes:write", 403)] {
        let made = user.post("/api-keys", serde_json::json!({"name": "monitor", "scopes": [scope]})).await;
        let key = user.with_token(made.data()["key"].as_str().unwrap());
        assert_eq!(proxied(&key).send().await.unwrap().status(), status, "{scope}");
        if scope == "metrics:read" {
            key.get("/auth/me").await.is(403, "missing_scope");
        }
    }
}
