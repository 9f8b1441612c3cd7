//! Accounts, tokens and keys.

use serde_json::json;

use crate::kit::{Options, Server};

#[tokio::test]
async fn an_account_is_made_and_logged_into() {
    let server = Server::start().await;
    let anonymous = server.anonymous();
    let body = json!({"email": "Demo@Example.com", "password": "password123"});
    let made = anonymous.post("/auth/signup", body.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.data()["user"]["email"], "demo@example.com");
    assert!(made.body.to_string().find("password").is_none());
    anonymous.post("/auth/signup", body.clone()).await.is(409, "email_taken");

    let login = anonymous.post("/auth/login", body).await;
    let me = anonymous.with_token(login.data()["token"].as_str().unwrap()).get("/auth/me").await;
    assert_eq!(me.data()["id"], made.data()["user"]["id"]);

    let wrong = json!({"email": "demo@example.com", "password": "password124"});
    anonymous.post("/auth/login", wrong).await.is(401, "invalid_credentials");
}

#[tokio::test]
async fn sign_up_can_be_closed_after_the_first() {
    let server = Server::with(Options { signup_closed: true, ..Options::default() }).await;
    let sign_up = |name: &str| json!({"email": format!("{name}@example.com"), "password": "password123"});
    assert_eq!(server.anonymous().post("/auth/signup", sign_up("a")).await.data()["user"]["role"], "admin");
    server.anonymous().post("/auth/signup", sign_up("b")).await.is(403, "signup_closed");
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_deleted() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let made = user.post("/api-keys", json!({"name": "laptop", "expiresInSeconds": 3_600})).await;
    assert_eq!(made.status, 201);
    let (id, key) = (made.data()["id"].as_str().unwrap(), made.data()["key"].as_str().unwrap());
    assert!(key.starts_with("sk_") && made.data()["expiresAt"].is_string());

    let listed = user.get("/api-keys").await;
    assert_eq!(listed.data()[0]["id"], id);
    assert!(!listed.body.to_string().contains(key));

    let by_bearer = server.anonymous().with_token(key);
    assert_eq!(by_bearer.get("/auth/me").await.status, 200);
    let anonymous = server.anonymous();
    let by_header =
        anonymous.send(anonymous.request(reqwest::Method::GET, "/auth/me").header("X-API-Key", key)).await;
    assert_eq!(by_header.status, 200);

    let deleted = user.delete(&format!("/api-keys/{id}")).await;
    assert_eq!(deleted.data(), &json!({"id": id, "deleted": true}));
    by_bearer.get("/auth/me").await.is(401, "unauthorized");
    user.delete(&format!("/api-keys/{id}")).await.is(404, "api_key_not_found");
}
