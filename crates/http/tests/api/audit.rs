//! The audit log: what is in it, and who sees it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Client, Server};
use crate::streams::connect;

/// `action target outcome` of what a query shows, oldest first.
async fn entries(client: &Client, query: &str) -> Vec<String> {
    let answer = client.get(&format!("/audit?limit=1000{query}")).await;
    let mut rows: Vec<String> = answer.data().as_array().unwrap().iter().map(row).collect();
    rows.reverse();
    rows
}

fn row(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
    format!("{} {} {}", text("action"), text("target"), text("outcome"))
}

#[tokio::test]
async fn every_change_is_there_before_its_answer_and_looking_is_not() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    let id = user.sandbox().await;
    user.get(&format!("/sandboxes/{id}")).await.data();
    user.post(&format!("/sandboxes/{id}/exec"), json!({"command": ["echo", "a b"]})).await.data();
    user.act(&format!("/sandboxes/{id}/keepalive")).await.data();
    user.act(&format!("/sandboxes/{id}/stop")).await.data();
    user.act(&format!("/sandboxes/{id}/start")).await.data();
    let key = user.post("/api-keys", json!({"name": "ci"})).await.data()["id"].as_str().unwrap().to_owned();
    user.delete(&format!("/api-keys/{key}")).await.data();
    user.delete(&format!("/sandboxes/{id}")).await.data();
    let found = entries(&user, "").await;
    let wanted = [
        "auth.signup - accepted".to_owned(),
        format!("sandbox.create {id} accepted"),
        format!("exec.start {id} accepted"),
        format!("sandbox.stop {id} accepted"),
        format!("sandbox.start {id} accepted"),
        format!("api_key.create {key} accepted"),
        format!("api_key.delete {key} accepted"),
        format!("sandbox.delete {id} accepted"),
    ];
    assert_eq!(found, wanted);
    let exec = user.get("/audit?action=exec.start").await.data()[0].clone();
    assert_eq!(exec["detail"]["command"], "echo a b", "{exec}");
    assert_eq!(exec["detail"]["exec"].as_str().map(str::len), Some(20), "{exec}");
    assert_eq!((&exec["actor"], &exec["address"]), (&json!("user"), &json!("127.0.0.1")));
    assert_eq!(exec["traceId"].as_str().map(str::len), Some(32));
}

#[tokio::test]
async fn what_is_refused_or_fails_says_so_and_what_is_wrong_is_nothing() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    let wrong = json!({"email": "ann@example.com", "password": "wrong password"});
    server.anonymous().post("/auth/login", wrong).await.is(401, "invalid_credentials");
    user.act("/sandboxes/0123456789ab/stop").await.is(404, "sandbox_not_found");
    user.post("/sandboxes", json!({"memory": "x"})).await.is(400, "invalid_request");
    let id = user.sandbox().await;
    server.runtime.faults().always("stop", atoll_ports::RuntimeError::Failed("no".to_owned()));
    user.act(&format!("/sandboxes/{id}/stop")).await.is(502, "runtime_failed");
    server.runtime.faults().clear();
    let admin = user;
    let found = entries(&admin, "").await;
    let wanted = [
        "auth.signup - accepted".to_owned(),
        "auth.login - refused".to_owned(),
        format!("sandbox.create {id} accepted"),
        format!("sandbox.stop {id} accepted"),
        format!("sandbox.stop {id} failed"),
    ];
    assert_eq!(found, wanted);
    let login = admin.get("/audit?action=auth.login").await.data()[0].clone();
    assert_eq!((&login["actor"], &login["detail"]["email"]), (&json!("nobody"), &json!("ann@example.com")));
    assert_eq!((&login["code"], &login["userId"]), (&json!("invalid_credentials"), &Value::Null));
    assert!(!login.to_string().contains("wrong password"));
    let failed = admin.get("/audit?outcome=failed").await.data()[0].clone();
    assert_eq!(failed["code"], "runtime_failed", "{failed}");
}

#[tokio::test]
async fn each_sandbox_of_a_request_has_its_entry() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    let made = user.post("/sandboxes", json!({"count": 3})).await;
    let mut ids: Vec<String> = made.data()["sandboxes"]
        .as_array()
        .unwrap_or_else(|| made.data().as_array().unwrap())
        .iter()
        .map(|one| format!("sandbox.create {} accepted", one["id"].as_str().unwrap()))
        .collect();
    let mut found = entries(&user, "&action=sandbox.create").await;
    ids.sort();
    found.sort();
    assert_eq!(found, ids);
}

#[tokio::test]
async fn a_terminal_is_noted_when_somebody_sits_at_it() {
    let server = Server::start().await;
    let (admin, user) = (server.user("ann").await, server.user("bob").await);
    let id = admin.sandbox().await;
    let path = format!("/sandboxes/{id}/terminal?terminal=desk");
    connect(&server, &path, user.token.as_deref()).await.rest().await;
    assert_eq!(entries(&admin, "&action=terminal.").await, [""; 0], "another's is none");
    let _stream = connect(&server, &path, admin.token.as_deref()).await;
    let end = Instant::now() + Duration::from_secs(10);
    let noted = loop {
        let found = admin.get("/audit?action=terminal.open").await.data().clone();
        if found[0].is_object() || Instant::now() > end {
            break found;
        }
    };
    assert_eq!(
        (&noted[0]["target"], &noted[0]["detail"]["terminal"]),
        (&json!(id), &json!("desk")),
        "{noted}"
    );
}

#[tokio::test]
async fn users_see_their_own_and_admins_everything() {
    let server = Server::start().await;
    let (admin, user) = (server.user("ann").await, server.user("bob").await);
    let id = user.sandbox().await;
    assert_eq!(entries(&user, "").await.len(), 2);
    assert_eq!(entries(&admin, "").await.len(), 3);
    assert_eq!(entries(&admin, &format!("&target={id}")).await.len(), 1);
    let me = user.get("/auth/me").await.data()["id"].as_str().unwrap().to_owned();
    assert_eq!(entries(&admin, &format!("&user={me}")).await.len(), 2);
    assert_eq!(entries(&user, &format!("&user={me}&action=sandbox.")).await.len(), 1);
    let boss = admin.get("/auth/me").await.data()["id"].as_str().unwrap().to_owned();
    user.get(&format!("/audit?user={boss}")).await.is(403, "forbidden");
    user.get("/admin/audit/verify").await.is(403, "forbidden");
    let page = user.get("/audit?limit=1").await;
    let next = page.body["nextCursor"].as_str().unwrap();
    assert_eq!(user.get(&format!("/audit?limit=1&cursor={next}")).await.data().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn wrong_queries_name_the_field() {
    let server = Server::start().await;
    let user = server.user("ann").await;
    for (query, field) in [
        ("user=x", "query.user"),
        ("outcome=perhaps", "query.outcome"),
        ("since=yesterday", "query.since"),
        ("until=1", "query.until"),
        ("action=", "query.action"),
        ("limit=0", "query.limit"),
    ] {
        let answer = user.get(&format!("/audit?{query}")).await;
        answer.is(400, "invalid_request");
        assert_eq!(answer.fields(), [field]);
    }
    for query in ["seq=1", "hash=x", "seq=1&hash=zz"] {
        user.get(&format!("/admin/audit/verify?{query}")).await.is(400, "invalid_request");
    }
}

#[tokio::test]
async fn an_admin_checks_the_chain() {
    let server = Server::start().await;
    let admin = server.user("ann").await;
    admin.sandbox().await;
    let check = admin.get("/admin/audit/verify").await.data().clone();
    assert_eq!((&check["intact"], &check["entries"]), (&json!(true), &json!(2)));
    let kept = format!("seq={}&hash={}", check["lastSeq"], check["lastHash"].as_str().unwrap());
    assert_eq!(admin.get(&format!("/admin/audit/verify?{kept}")).await.data()["intact"], true);
    let other = format!("seq=1&hash={}", "ab".repeat(32));
    let broken = admin.get(&format!("/admin/audit/verify?{other}")).await.data().clone();
    assert_eq!((&broken["intact"], &broken["brokenSeq"]), (&json!(false), &json!(1)));
}
