//! Log-ins: refresh, reuse, log-out, lists, passwords.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, Server};

const PASSWORD: &str = "password123";

fn credentials(name: &str, password: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "password": password})
}

/// Logs in as a page of a browser does.
async fn browse(client: &Client, path: &str, body: Value, cookie: Option<&str>) -> Answer {
    let mut request = client.request(Method::POST, path).header("origin", &client.base).json(&body);
    if let Some(cookie) = cookie {
        request = request.header("cookie", format!("other=1; atoll_refresh={cookie}"));
    }
    client.send(request).await
}

async fn refresh(client: &Client, token: &Value) -> Answer {
    client.post("/auth/refresh", json!({"refreshToken": token})).await
}

fn cookie(answer: &Answer) -> String {
    answer.headers["set-cookie"].to_str().unwrap().to_owned()
}

fn cookie_token(answer: &Answer) -> String {
    let cookie = cookie(answer);
    cookie.split(';').next().unwrap().strip_prefix("atoll_refresh=").unwrap().to_owned()
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_all_of_its_log_in() {
    let server = Server::start().await;
    server.user("a").await;
    let anonymous = server.anonymous();
    let other = anonymous.post("/auth/login", credentials("a", PASSWORD)).await;
    let first = anonymous.post("/auth/login", credentials("a", PASSWORD)).await;
    assert_eq!(first.headers["cache-control"], "no-store");
    assert!(!first.headers.contains_key("set-cookie"));
    let second = refresh(&anonymous, &first.data()["refreshToken"]).await;
    let third = refresh(&anonymous, &second.data()["refreshToken"]).await;
    let me = |answer: &Answer| {
        let client = anonymous.with_token(answer.body["data"]["token"].as_str().unwrap());
        async move { client.get("/auth/me").await.status }
    };
    assert_eq!((me(&first).await, me(&third).await), (200, 200), "a token lives as long as its log-in");

    refresh(&anonymous, &first.data()["refreshToken"]).await.is(401, "session_ended");
    refresh(&anonymous, &third.data()["refreshToken"]).await.is(401, "session_ended");
    assert_eq!((me(&first).await, me(&third).await, me(&other).await), (401, 401, 200));
    assert_eq!(refresh(&anonymous, &other.data()["refreshToken"]).await.status, 200);
}

#[tokio::test]
async fn of_two_at_once_with_the_same_refresh_token_the_log_in_ends() {
    let server = Server::start().await;
    server.user("a").await;
    let anonymous = server.anonymous();
    let first = anonymous.post("/auth/login", credentials("a", PASSWORD)).await;
    let token = &first.data()["refreshToken"];
    let (one, two) = tokio::join!(refresh(&anonymous, token), refresh(&anonymous, token));
    assert_eq!((one.status == 200, two.status == 200), (one.status == 200, one.status != 200));
    let winner = if one.status == 200 { one } else { two };
    refresh(&anonymous, &winner.data()["refreshToken"]).await.is(401, "session_ended");
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let anonymous = server.anonymous();
    let login = anonymous.post("/auth/login", credentials("a", PASSWORD)).await;
    for token in [json!(""), json!("x"), json!("a".repeat(4_000)), login.data()["token"].clone()] {
        refresh(&anonymous, &token).await.is(401, "session_ended");
    }
    assert_eq!(anonymous.act("/auth/refresh").await.fields(), ["refreshToken"]);
    assert_eq!(refresh(&anonymous, &json!("a".repeat(10_000))).await.fields(), ["refreshToken"]);
    let refresh_token = login.data()["refreshToken"].as_str().unwrap();
    anonymous.with_token(refresh_token).get("/auth/me").await.is(401, "unauthorized");
    assert_eq!(user.get("/auth/me").await.status, 200);
}

#[tokio::test]
async fn a_page_keeps_its_refresh_token_in_a_cookie_that_no_script_reads() {
    let server = Server::start().await;
    server.user("a").await;
    let anonymous = server.anonymous();
    let login = browse(&anonymous, "/auth/login", credentials("a", PASSWORD), None).await;
    assert!(login.data().get("refreshToken").is_none());
    let kept = cookie(&login);
    for part in ["; Path=/auth/refresh;", "; Max-Age=2592000;", "; HttpOnly;", "; SameSite=Strict"] {
        assert!(kept.contains(part), "{kept}");
    }
    let next = browse(&anonymous, "/auth/refresh", json!({}), Some(&cookie_token(&login))).await;
    assert!(next.data().get("refreshToken").is_none() && cookie_token(&next) != cookie_token(&login));
    let foreign = anonymous.request(Method::POST, "/auth/refresh").header("origin", "https://evil.example");
    let foreign = foreign.header("cookie", format!("atoll_refresh={}", cookie_token(&next)));
    anonymous.send(foreign).await.is(403, "forbidden");

    let client = anonymous.with_token(next.data()["token"].as_str().unwrap());
    let out = client.act("/auth/logout").await;
    assert!(cookie(&out).starts_with("atoll_refresh=; Path=/auth/refresh; Max-Age=0;"));
    client.get("/auth/me").await.is(401, "unauthorized");
    browse(&anonymous, "/auth/refresh", json!({}), Some(&cookie_token(&next))).await.is(401, "session_ended");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let server = Server::start().await;
    let here = server.user("a").await;
    let anonymous = server.anonymous();
    let login = anonymous.request(Method::POST, "/auth/login").header("user-agent", "phone/1");
    let there = anonymous.send(login.json(&credentials("a", PASSWORD))).await;
    let there = anonymous.with_token(there.data()["token"].as_str().unwrap());
    let list = here.get("/auth/sessions").await;
    let current: Vec<_> =
        list.data().as_array().unwrap().iter().map(|s| s["current"].as_bool().unwrap()).collect();
    assert_eq!(current.iter().filter(|current| **current).count(), 1, "{list:?}");
    let other = list.data().as_array().unwrap().iter().find(|s| s["current"] == false).unwrap();
    assert_eq!((&other["address"], &other["agent"]), (&json!("127.0.0.1"), &json!("phone/1")));
    let id = other["id"].as_str().unwrap();
    assert_eq!(here.delete(&format!("/auth/sessions/{id}")).await.data()["deleted"], true);
    there.get("/auth/me").await.is(401, "unauthorized");
    here.delete(&format!("/auth/sessions/{id}")).await.is(404, "session_not_found");
    here.delete("/auth/sessions/x").await.is(404, "session_not_found");
    assert_eq!(here.get("/auth/sessions").await.data().as_array().unwrap().len(), 1);
    let key = here.post("/api-keys", json!({"name": "k"})).await;
    let key = anonymous.with_token(key.data()["key"].as_str().unwrap());
    key.act("/auth/logout").await.is(403, "forbidden");
}

#[tokio::test]
async fn a_log_in_that_is_not_refreshed_ends() {
    let server = Server::start().await;
    server.user("a").await;
    let anonymous = server.anonymous();
    let login = anonymous.post("/auth/login", credentials("a", PASSWORD)).await;
    let day = std::time::Duration::from_secs(86_400);
    server.clock.advance(29 * day);
    let next = refresh(&anonymous, &login.data()["refreshToken"]).await;
    server.clock.advance(29 * day);
    let next = refresh(&anonymous, &next.data()["refreshToken"]).await;
    server.clock.advance(31 * day);
    let user = anonymous.with_token(next.data()["token"].as_str().unwrap());
    user.get("/auth/me").await.is(401, "unauthorized");
    refresh(&anonymous, &next.data()["refreshToken"]).await.is(401, "session_ended");
}

#[tokio::test]
async fn a_new_password_ends_the_other_log_ins() {
    let server = Server::start().await;
    let (here, anonymous) = (server.user("a").await, server.anonymous());
    let there = anonymous.post("/auth/login", credentials("a", PASSWORD)).await;
    let change = |current: &str| json!({"currentPassword": current, "newPassword": "a better password"});
    here.post("/auth/password", change("a wrong password")).await.is(401, "invalid_credentials");
    let short = json!({"currentPassword": PASSWORD, "newPassword": "short"});
    assert_eq!(here.post("/auth/password", short).await.fields(), ["newPassword"]);
    assert_eq!(here.post("/auth/password", change(PASSWORD)).await.status, 200);
    assert_eq!(here.get("/auth/me").await.status, 200);
    let there_now = anonymous.with_token(there.data()["token"].as_str().unwrap());
    there_now.get("/auth/me").await.is(401, "unauthorized");
    refresh(&anonymous, &there.data()["refreshToken"]).await.is(401, "session_ended");
    anonymous.post("/auth/login", credentials("a", PASSWORD)).await.is(401, "invalid_credentials");
    assert_eq!(anonymous.post("/auth/login", credentials("a", "a better password")).await.status, 200);
}

#[tokio::test]
async fn wrong_passwords_must_wait_whether_there_is_an_account_or_not() {
    let server = Server::start().await;
    server.user("a").await;
    let anonymous = server.anonymous();
    for name in ["a", "nobody"] {
        for _ in 0..5 {
            let wrong = anonymous.post("/auth/login", credentials(name, "a wrong password")).await;
            wrong.is(401, "invalid_credentials");
        }
        for password in ["a wrong password", PASSWORD] {
            let locked = anonymous.post("/auth/login", credentials(name, password)).await;
            locked.is(429, "login_locked");
            assert_eq!(locked.headers["retry-after"], "30", "{name}");
        }
    }
    server.clock.advance(std::time::Duration::from_secs(30));
    assert_eq!(anonymous.post("/auth/login", credentials("a", PASSWORD)).await.status, 200);
    anonymous.post("/auth/login", credentials("nobody", PASSWORD)).await.is(401, "invalid_credentials");
}
