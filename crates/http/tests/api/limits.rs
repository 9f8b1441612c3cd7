//! How often who may ask, and which sites' pages.

use std::num::NonZeroU32;
use std::time::Duration;

use atoll_http::{Protection, Rate, RateLimits};
use reqwest::Method;
use serde_json::json;

use crate::kit::{Client, Server};

fn rate(requests: u32, minutes: u64) -> Option<Rate> {
    let requests = NonZeroU32::new(requests).unwrap();
    Rate::new(requests, Duration::from_secs(60 * minutes), requests)
}

async fn limited(limits: RateLimits) -> Server {
    let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    Server::protected(Protection { limits, trusted_proxies, ..Protection::default() }).await
}

/// A client that comes through a proxy from this address.
async fn from(client: &Client, method: Method, path: &str, address: &str) -> crate::kit::Answer {
    let request = client.request(method, path).header("x-forwarded-for", format!("6.6.6.6, {address}"));
    client.send(request.json(&json!({"email": "nobody@example.com", "password": "password123"}))).await
}

#[tokio::test]
async fn whoever_is_not_known_is_counted_by_his_network() {
    let server = limited(RateLimits { anonymous: rate(3, 1), ..RateLimits::default() }).await;
    let anonymous = server.anonymous();
    let paths = ["/nothing", "/openapi.json", "/sandboxes"];
    for (n, path) in paths.into_iter().enumerate() {
        let answer = from(&anonymous, Method::GET, path, "192.0.2.1").await;
        assert_ne!(answer.code(), "rate_limited", "{path}");
        let left = (2 - n).to_string();
        assert_eq!(
            (&answer.headers["ratelimit-limit"], &answer.headers["ratelimit-remaining"]),
            (&"3".parse().unwrap(), &left.parse().unwrap())
        );
    }
    for path in paths {
        let refused = from(&anonymous, Method::GET, path, "192.0.2.1").await;
        refused.is(429, "rate_limited");
        let header = |name: &str| refused.headers[name].to_str().unwrap().parse::<u64>().unwrap();
        assert_eq!(header("ratelimit-remaining"), 0);
        assert!((1..=20).contains(&header("retry-after")) && header("ratelimit-reset") == 60, "{refused:?}");
    }
    from(&anonymous.with_token("sk_guess"), Method::GET, "/sandboxes", "192.0.2.1")
        .await
        .is(429, "rate_limited");
    from(&anonymous, Method::GET, "/nothing", "192.0.2.2").await.is(404, "route_not_found");
    for n in 0..4 {
        let answer = from(&anonymous, Method::GET, "/nothing", &format!("2001:db8::{n}")).await;
        assert_eq!(answer.status, if n < 3 { 404 } else { 429 }, "one network of IPv6 is one");
    }
    for _ in 0..10 {
        assert_eq!(from(&anonymous, Method::GET, "/health", "192.0.2.1").await.status, 200);
    }
}

#[tokio::test]
async fn passwords_are_counted_apart_and_a_token_helps_nobody() {
    let limits = RateLimits { auth: rate(2, 15), anonymous: rate(100, 1), ..RateLimits::default() };
    let server = limited(limits).await;
    let anonymous = server.anonymous();
    let user = server.user("a").await;
    for client in [&anonymous, &user] {
        from(client, Method::POST, "/auth/login", "192.0.2.1").await.is(401, "invalid_credentials");
    }
    for path in ["/auth/login", "/auth/signup"] {
        from(&user, Method::POST, path, "192.0.2.1").await.is(429, "rate_limited");
    }
    from(&anonymous, Method::GET, "/nothing", "192.0.2.1").await.is(404, "route_not_found");
}

#[tokio::test]
async fn whoever_is_known_is_counted_by_his_account() {
    let server =
        limited(RateLimits { user: rate(5, 1), anonymous: rate(1, 60), ..RateLimits::default() }).await;
    let (user, other) = (server.user("a").await, server.user("b").await);
    let key = user.post("/api-keys", json!({"name": "k"})).await;
    let key = user.with_token(key.data()["key"].as_str().unwrap());
    for n in 1..5 {
        let client = if n % 2 == 0 { &user } else { &key };
        let answer = from(client, Method::GET, "/auth/me", &format!("192.0.2.{n}")).await;
        assert_eq!((answer.status, &answer.headers["ratelimit-limit"]), (200, &"5".parse().unwrap()));
    }
    key.get("/auth/me").await.is(429, "rate_limited");
    user.post("/sandboxes", json!({"name": "x".repeat(100_000)})).await.is(429, "rate_limited");
    assert_eq!(other.get("/auth/me").await.status, 200);
}

#[tokio::test]
async fn without_limits_nothing_is_said_of_them() {
    let server = Server::start().await;
    let user = server.user("a").await;
    assert!(!user.get("/auth/me").await.headers.contains_key("ratelimit-limit"));
}

#[tokio::test]
async fn only_pages_of_sites_that_may_read_the_api() {
    let origin = "https://app.example.com";
    let protection = Protection { cors_origins: vec![origin.to_owned()], ..Protection::default() };
    let server = Server::protected(protection).await;
    let user = server.user("a").await;
    let ask = async |method: Method, path: &str, origin: &str| {
        let request = user.request(method, path).header("origin", origin);
        request.header("access-control-request-method", "DELETE").send().await.unwrap()
    };
    let preflight = ask(Method::OPTIONS, "/sandboxes", origin).await;
    assert_eq!(
        (preflight.status(), &preflight.headers()["access-control-allow-origin"]),
        (reqwest::StatusCode::OK, &origin.parse().unwrap())
    );
    let methods = preflight.headers()["access-control-allow-methods"].to_str().unwrap();
    assert!(methods.contains("DELETE") && preflight.headers().contains_key("x-trace-id"), "{preflight:?}");
    for path in ["/sandboxes", "/sandboxes/x", "/nothing"] {
        let answer = ask(Method::GET, path, origin).await;
        assert_eq!(answer.headers()["access-control-allow-origin"], origin, "{path}");
        for foreign in ["https://evil.example", "http://app.example.com", "null"] {
            let answer = ask(Method::GET, path, foreign).await;
            assert!(!answer.headers().contains_key("access-control-allow-origin"), "{foreign}");
        }
    }
    let usual = Server::start().await;
    let answer = usual.anonymous().request(Method::OPTIONS, "/sandboxes").header("origin", origin);
    let answer = answer.header("access-control-request-method", "GET").send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"), "none by default");
}
