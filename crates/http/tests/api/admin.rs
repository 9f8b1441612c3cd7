//! Accounts in the hands of an admin, and invitations.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, Options, Server};
use crate::streams::{Stream, connect};

/// Guard against what never happens.
const SOON: Duration = Duration::from_secs(20);

async fn patch(client: &Client, id: &str, body: Value) -> Answer {
    client.send(client.request(Method::PATCH, &format!("/admin/users/{id}")).json(&body)).await
}

async fn id(client: &Client) -> String {
    client.get("/auth/me").await.data()["id"].as_str().unwrap().to_owned()
}

fn sign_up(name: &str, invitation: Option<&str>) -> Value {
    let mut body = json!({"email": format!("{name}@example.com"), "password": "password123"});
    if let Some(invitation) = invitation {
        body["invitation"] = invitation.into();
    }
    body
}

#[tokio::test]
async fn accounts_are_listed_in_pages() {
    let server = Server::start().await;
    let admin = server.user("admin").await;
    for n in 0..4 {
        server.user(&format!("u{n}")).await;
    }
    let (mut emails, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("/admin/users?limit=2{cursor}")).await;
        emails
            .extend(page.data().as_array().unwrap().iter().map(|u| u["email"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(emails.len(), 5);
    assert!(emails.contains(&"admin@example.com".to_owned()), "{emails:?}");
    let shown = admin.get(&format!("/admin/users/{}", id(&admin).await)).await;
    assert_eq!((&shown.data()["role"], &shown.data()["disabled"]), (&json!("admin"), &json!(false)));
    assert!(!shown.body.to_string().contains("argon2"));
    admin.get("/admin/users/0000000000000000").await.is(404, "account_not_found");
    assert_eq!(admin.get("/admin/runtimes").await.data()[0]["name"], "native");
    let report = admin.get("/admin/doctor").await;
    assert_eq!((&report.data()["healthy"], &report.data()["findings"]), (&json!(true), &json!([])));
    server.runtime.set_available(false);
    let report = admin.get("/admin/doctor").await;
    assert_eq!(
        (&report.data()["healthy"], &report.data()["findings"][0]["kind"]),
        (&json!(false), &json!("runtime"))
    );
    server.runtime.set_available(true);
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_everywhere() {
    let server = Server::start().await;
    let (admin, user) = (server.user("admin").await, server.user("a").await);
    let made = user.post("/api-keys", json!({"name": "k"})).await;
    let key = user.with_token(made.data()["key"].as_str().unwrap());
    let sandbox = user.sandbox().await;
    assert_eq!((key.get("/auth/me").await.status, user.get("/auth/me").await.status), (200, 200));
    let id = id(&user).await;
    let changed = patch(&admin, &id, json!({"disabled": true})).await;
    assert!(changed.data()["disabledAt"].is_string());
    key.get("/auth/me").await.is(401, "unauthorized");
    user.get("/auth/me").await.is(401, "unauthorized");
    server.anonymous().post("/auth/login", sign_up("a", None)).await.is(403, "account_disabled");
    let wrong = json!({"email": "a@example.com", "password": "not this one"});
    server.anonymous().post("/auth/login", wrong).await.is(401, "invalid_credentials");
    assert_eq!(admin.get(&format!("/sandboxes/{sandbox}")).await.data()["state"], "running");

    assert_eq!(patch(&admin, &id, json!({"disabled": false})).await.data()["disabled"], false);
    assert_eq!(key.get("/auth/me").await.status, 200);
    user.get("/auth/me").await.is(401, "unauthorized");
    assert_eq!(server.anonymous().post("/auth/login", sign_up("a", None)).await.status, 200);
}

#[tokio::test]
async fn what_a_disabled_account_looks_at_ends_and_nobody_else_s() {
    let server = Server::start().await;
    let (admin, user) = (server.user("admin").await, server.user("a").await);
    let sandbox = user.sandbox().await;
    let exec = user.sleeper(&sandbox).await;
    let paths = [
        format!("/sandboxes/{sandbox}/stream?exec_id={exec}"),
        format!("/ws/sandboxes/{sandbox}/terminal"),
        format!("/sandboxes/{sandbox}/watch?path=/"),
    ];
    let token = user.token.as_deref();
    let mut streams = Vec::new();
    for path in &paths {
        streams.push(connect(&server, path, token).await);
    }
    let mut listener = user.request(Method::GET, "/events").send().await.unwrap();
    let mut others = admin.request(Method::GET, "/events").send().await.unwrap();
    let (greeting, _) = (listener.chunk().await.unwrap(), others.chunk().await.unwrap());
    assert!(greeting.unwrap().starts_with(b"retry:"));

    // Whatever else is changed of an account ends nothing.
    let id = id(&user).await;
    patch(&admin, &id, json!({"disabled": false})).await.data();
    patch(&admin, &id, json!({"role": "admin"})).await.data();
    patch(&admin, &id, json!({"disabled": true})).await.data();
    for (stream, path) in streams.iter_mut().zip(&paths) {
        let ended = tokio::time::timeout(SOON, stream.ended()).await.expect("it ends");
        assert_eq!(ended, Some(4401), "{path}");
    }
    let mut text = String::new();
    while let Some(more) = tokio::time::timeout(SOON, listener.chunk()).await.expect("it ends").unwrap() {
        text.push_str(str::from_utf8(&more).unwrap());
    }
    assert!(text.contains("event: error") && text.contains("unauthorized"), "{text}");
    let made = admin.sandbox().await;
    let mut text = String::new();
    while !text.contains(&made) {
        let more = tokio::time::timeout(SOON, others.chunk()).await.expect("the other listens on");
        text.push_str(str::from_utf8(&more.unwrap().expect("an event")).unwrap());
    }
}

/// What looks at a terminal with a token, and one that listens to events.
async fn looks(server: &Server, sandbox: &str, token: &str) -> (Stream, reqwest::Response) {
    let terminal = connect(server, &format!("/sandboxes/{sandbox}/terminal"), Some(token)).await;
    let client = server.anonymous().with_token(token);
    let mut listener = client.request(Method::GET, "/events").send().await.unwrap();
    assert!(listener.chunk().await.unwrap().unwrap().starts_with(b"retry:"));
    (terminal, listener)
}

async fn ends((mut terminal, mut listener): (Stream, reqwest::Response), what: &str) {
    let ended = tokio::time::timeout(SOON, terminal.ended()).await.expect("the terminal ends");
    assert_eq!(ended, Some(4401), "{what}");
    while tokio::time::timeout(SOON, listener.chunk()).await.expect("the events end").unwrap().is_some() {}
}

#[tokio::test]
async fn what_a_deleted_key_or_an_ended_log_in_looks_at_ends_and_no_other() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let key = user.post("/api-keys", json!({"name": "k"})).await;
    let other_key = user.post("/api-keys", json!({"name": "other"})).await;
    let log_in = async || {
        let body = json!({"email": "a@example.com", "password": "password123"});
        let answer = server.anonymous().post("/auth/login", body).await;
        answer.data()["token"].as_str().unwrap().to_owned()
    };
    let text = |answer: &Answer, name: &str| answer.data()[name].as_str().unwrap().to_owned();
    let (out, ended) = (log_in().await, log_in().await);
    let by_key = looks(&server, &sandbox, &text(&key, "key")).await;
    let by_other = looks(&server, &sandbox, &text(&other_key, "key")).await;
    let by_out = looks(&server, &sandbox, &out).await;
    let by_ended = looks(&server, &sandbox, &ended).await;
    let mut stays = looks(&server, &sandbox, user.token.as_deref().unwrap()).await;

    user.delete(&format!("/api-keys/{}", text(&key, "id"))).await.data();
    ends(by_key, "by a key that was deleted").await;
    server.anonymous().with_token(&out).act("/auth/logout").await.data();
    ends(by_out, "by a log-in that logged out").await;
    let listed = server.anonymous().with_token(&ended).get("/auth/sessions").await;
    let current = listed.data().as_array().unwrap().iter().find(|session| session["current"] == true);
    user.delete(&format!("/auth/sessions/{}", current.unwrap()["id"].as_str().unwrap())).await.data();
    ends(by_ended, "by a log-in that was ended").await;

    let passwords = json!({"currentPassword": "password123", "newPassword": "password124"});
    user.post("/auth/password", passwords).await.data();
    for (what, (_, listener)) in [("key", &mut { by_other }), ("log-in", &mut stays)] {
        let made = user.sandbox().await;
        let mut text = String::new();
        while !text.contains(&made) {
            let more = tokio::time::timeout(SOON, listener.chunk()).await.expect("it goes on");
            let more = more.unwrap().unwrap_or_else(|| panic!("the other {what} ended: {text}"));
            text.push_str(str::from_utf8(&more).unwrap());
        }
    }
}

#[tokio::test]
async fn a_role_counts_from_the_next_request() {
    let server = Server::start().await;
    let (admin, user) = (server.user("admin").await, server.user("a").await);
    user.get("/admin/users").await.is(403, "forbidden");
    let (admin_id, user_id) = (id(&admin).await, id(&user).await);
    for body in [json!({"role": "user"}), json!({"disabled": true})] {
        patch(&admin, &admin_id, body).await.is(409, "last_admin");
    }
    admin.delete(&format!("/admin/users/{admin_id}")).await.is(409, "last_admin");
    assert_eq!(patch(&admin, &user_id, json!({"role": "root"})).await.fields(), ["role"]);
    assert_eq!(patch(&admin, &user_id, json!({"role": "admin"})).await.data()["role"], "admin");
    assert_eq!(user.get("/admin/users").await.status, 200);
    assert_eq!(patch(&user, &admin_id, json!({"role": "user"})).await.status, 200);
    admin.get("/admin/users").await.is(403, "forbidden");
    patch(&user, &user_id, json!({"disabled": true})).await.is(409, "last_admin");
}

#[tokio::test]
async fn an_admin_gives_a_new_password_to_whoever_forgot_his() {
    let server = Server::start().await;
    let (admin, user) = (server.user("admin").await, server.user("a").await);
    let id = id(&user).await;
    assert_eq!(patch(&admin, &id, json!({"password": "short"})).await.fields(), ["password"]);
    assert_eq!(patch(&admin, &id, json!({"password": "a new password"})).await.status, 200);
    user.get("/auth/me").await.is(401, "unauthorized");
    let body = json!({"email": "a@example.com", "password": "a new password"});
    assert_eq!(server.anonymous().post("/auth/login", body).await.status, 200);
}

#[tokio::test]
async fn an_account_goes_with_its_sandboxes_or_not_at_all() {
    let server = Server::start().await;
    let (admin, user) = (server.user("admin").await, server.user("a").await);
    let (id, sandbox) = (id(&user).await, user.sandbox().await);
    let import = user.request(Method::POST, "/images?name=his").header("content-type", "application/x-tar");
    user.send(import.body("tar")).await.data();
    let refused = admin.delete(&format!("/admin/users/{id}")).await;
    refused.is(409, "account_in_use");
    assert!(refused.message().contains("1 sandboxes"), "{refused:?}");
    assert_eq!(user.get("/auth/me").await.status, 200, "nothing was done");
    let wrong = admin.delete(&format!("/admin/users/{id}?sandboxes=maybe")).await;
    assert_eq!(wrong.fields(), ["query.sandboxes"]);

    assert_eq!(admin.delete(&format!("/admin/users/{id}?sandboxes=delete")).await.data()["deleted"], true);
    user.get("/auth/me").await.is(401, "unauthorized");
    admin.get(&format!("/sandboxes/{sandbox}")).await.is(404, "sandbox_not_found");
    admin.get(&format!("/admin/users/{id}")).await.is(404, "account_not_found");
    admin.delete(&format!("/admin/users/{id}")).await.is(404, "account_not_found");
    assert_eq!(admin.get("/images").await.data().as_array().unwrap().len(), 2, "images stay");
    assert_eq!(server.anonymous().post("/auth/signup", sign_up("a", None)).await.status, 201);
}

#[tokio::test]
async fn an_invitation_makes_one_account_where_sign_up_is_closed() {
    let server = Server::with(Options { signup_closed: true, ..Options::default() }).await;
    let (admin, anonymous) = (server.user("admin").await, server.anonymous());
    anonymous.post("/auth/signup", sign_up("a", None)).await.is(403, "signup_closed");
    let made = admin.post("/admin/invitations", json!({})).await;
    let invitation = made.data()["invitation"].as_str().unwrap();
    assert!(made.status == 201 && invitation.starts_with("inv_"), "{made:?}");
    let listed = admin.get("/admin/invitations").await;
    assert_eq!(listed.data()[0]["id"], made.data()["id"]);
    assert!(!listed.body.to_string().contains(invitation));

    let joined = anonymous.post("/auth/signup", sign_up("a", Some(invitation))).await;
    assert_eq!((joined.status, &joined.body["data"]["user"]["role"]), (201, &json!("user")));
    anonymous.post("/auth/signup", sign_up("b", Some(invitation))).await.is(403, "invalid_invitation");
    anonymous.post("/auth/signup", sign_up("b", Some("inv_guess"))).await.is(403, "invalid_invitation");
    assert_eq!(anonymous.post("/auth/signup", sign_up("b", Some("guess"))).await.fields(), ["invitation"]);
    assert_eq!(admin.get("/admin/invitations").await.data(), &json!([]));
}

#[tokio::test]
async fn an_invitation_is_for_one_address_a_time_and_until_it_is_taken_back() {
    let server = Server::with(Options { signup_closed: true, ..Options::default() }).await;
    let (admin, anonymous) = (server.user("admin").await, server.anonymous());
    let invite = async |body: Value| {
        let made = admin.post("/admin/invitations", body).await;
        (
            made.data()["id"].as_str().unwrap().to_owned(),
            made.data()["invitation"].as_str().unwrap().to_owned(),
        )
    };
    let (_, named) = invite(json!({"email": "A@example.com", "role": "admin"})).await;
    anonymous.post("/auth/signup", sign_up("b", Some(&named))).await.is(403, "invalid_invitation");
    let joined = anonymous.post("/auth/signup", sign_up("a", Some(&named))).await;
    assert_eq!(joined.data()["user"]["role"], "admin");
    let (_, taken) = invite(json!({})).await;
    anonymous.post("/auth/signup", sign_up("a", Some(&taken))).await.is(409, "email_taken");
    let (id, back) = invite(json!({})).await;
    assert_eq!(admin.delete(&format!("/admin/invitations/{id}")).await.status, 200);
    admin.delete(&format!("/admin/invitations/{id}")).await.is(404, "invitation_not_found");
    anonymous.post("/auth/signup", sign_up("b", Some(&back))).await.is(403, "invalid_invitation");
    let (_, short) = invite(json!({"expiresInSeconds": 60})).await;
    server.clock.advance(Duration::from_secs(61));
    anonymous.post("/auth/signup", sign_up("b", Some(&short))).await.is(403, "invalid_invitation");
    assert_eq!(admin.post("/admin/invitations", json!({"role": "root"})).await.fields(), ["role"]);
    assert_eq!(
        anonymous.post("/auth/signup", sign_up("b", Some(&taken))).await.status,
        201,
        "not used up before"
    );
}

#[tokio::test]
async fn a_key_makes_no_key_that_may_more() {
    let server = Server::start().await;
    let (admin, user) = (server.user("admin").await, server.user("a").await);
    let key = async |client: &Client, body: Value| client.post("/api-keys", body).await;
    let scopes = |scopes: &[&str]| json!({"name": "k", "scopes": scopes});
    let usual = key(&admin, json!({"name": "k"})).await;
    let words = usual.data()["scopes"].to_string();
    assert!(words.contains("sandboxes:write") && !words.contains("admin"), "{words}");
    let usual = admin.with_token(usual.data()["key"].as_str().unwrap());
    usual.get("/admin/users").await.is(403, "missing_scope");
    usual.get(&format!("/sandboxes/{}", user.sandbox().await)).await.is(404, "sandbox_not_found");
    key(&usual, scopes(&["admin"])).await.is(403, "missing_scope");
    key(&user, scopes(&["admin"])).await.is(403, "forbidden");

    let few = key(&user, scopes(&["keys:write", "images:read"])).await;
    assert_eq!(few.data()["scopes"], json!(["images:read", "keys:read", "keys:write"]));
    let few = user.with_token(few.data()["key"].as_str().unwrap());
    key(&few, scopes(&["images:write"])).await.is(403, "missing_scope");
    let same = key(&few, json!({"name": "k"})).await;
    assert_eq!(same.data()["scopes"], json!(["images:read", "keys:read", "keys:write"]));
    assert_eq!(key(&user, scopes(&[])).await.fields(), ["scopes"]);
    let wrong = key(&user, scopes(&["sandboxes:all"])).await;
    assert_eq!(wrong.fields(), ["scopes"]);
    assert!(wrong.message().contains("sandboxes:read"), "{wrong:?}");
    let all = key(&admin, scopes(&["admin"])).await;
    assert_eq!(admin.with_token(all.data()["key"].as_str().unwrap()).get("/admin/users").await.status, 200);
}
