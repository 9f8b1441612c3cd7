//! Public sessions: who begins one, what of it is whose, and its limits.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use atoll_http::{Protection, PublicSessions, Rate, RateLimits, SessionKeys};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::kit::{Answer, Client, Options, SECRET, Server};
use crate::streams::{Stream, handshake};

const PAGE: &str = "https://learn.example.com";

fn rate(requests: u32, seconds: u64) -> Option<Rate> {
    let requests = NonZeroU32::new(requests).unwrap();
    Rate::new(requests, Duration::from_secs(seconds), requests)
}

fn settings() -> PublicSessions {
    PublicSessions {
        origins: vec![PAGE.to_owned()],
        per_address: 2,
        rate: rate(10, 3_600),
        commands: rate(60, 60),
        sessions_max: 50,
        keys: Arc::new(SessionKeys::new(&SECRET).unwrap()),
    }
}

async fn with(sessions: PublicSessions, limits: RateLimits, options: Options) -> (Server, Client) {
    let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let protection =
        Protection { sessions: Some(sessions), trusted_proxies, limits, ..Protection::default() };
    let options = Options { sessions: Some(options.sessions.unwrap_or(50)), ..options };
    let server = Server::made(options, protection).await;
    let admin = server.user("admin").await;
    (server, admin)
}

pub(crate) async fn server() -> (Server, Client) {
    with(settings(), RateLimits::default(), Options::default()).await
}

/// Begins a session as a client of this address.
async fn begin(server: &Server, address: &str, query: &str) -> Answer {
    let anonymous = server.anonymous();
    let request = anonymous.request(Method::POST, &format!("/sessions{query}"));
    anonymous.send(request.header("x-forwarded-for", address)).await
}

async fn begun(server: &Server, address: &str) -> String {
    begin(server, address, "").await.data()["id"].as_str().unwrap().to_owned()
}

fn sandbox_of(id: &str) -> &str {
    id.split('.').next().unwrap()
}

async fn look(server: &Server, id: &str) -> Stream {
    handshake(server, &format!("/sessions/{id}"), &[("origin", PAGE)]).await.unwrap_or_else(|e| panic!("{e}"))
}

#[tokio::test]
async fn a_session_is_begun_used_and_ended_by_whoever_has_its_id() {
    let (server, admin) = server().await;
    let made = begin(&server, "192.0.2.1", "").await;
    assert_eq!((made.status, &made.headers["cache-control"]), (201, &"no-store".parse().unwrap()));
    let data = made.data();
    let id = data["id"].as_str().unwrap();
    assert_eq!(data["path"], format!("/sessions/{id}"));
    assert_eq!(
        (&data["cpu"], &data["memory"], &data["pids"], &data["openFiles"], &data["idleTtlSeconds"]),
        (&json!(0.5), &json!(128), &json!(64), &json!(256), &json!(300))
    );
    let shown = admin.get(&format!("/sandboxes/{}", sandbox_of(id))).await;
    assert_eq!(
        (&shown.data()["network"], &shown.data()["capabilities"], &shown.data()["idleTtlSeconds"]),
        (&json!("none"), &json!("none"), &json!(300)),
        "{shown:?}"
    );
    assert_eq!((&shown.data()["readOnlyRoot"], &shown.data()["cwd"]), (&json!(true), &json!("/tmp")));

    let mut page = look(&server, id).await;
    page.type_in("echo a\r").await;
    page.output_until("echo a\r\n").await;
    // Cut off and back: the terminal is the same.
    drop(page);
    let mut page = look(&server, id).await;
    page.output_until("echo a\r\n").await;

    let listed = admin.get("/admin/sessions").await;
    assert_eq!(
        (listed.data().as_array().unwrap().len(), &listed.data()[0]["id"]),
        (1, &json!(sandbox_of(id)))
    );
    assert!(!listed.body.to_string().contains(id), "the id of a session is nobody else's");
    let holder = listed.data()[0]["holder"].as_str().unwrap();
    assert!(holder.starts_with("address-") && !holder.contains("192"), "{holder}");

    let anonymous = server.anonymous();
    assert_eq!(anonymous.delete(&format!("/sessions/{id}")).await.data()["deleted"], true);
    assert_eq!(page.closed().await, (4404, "session_not_found".to_owned()));
    anonymous.delete(&format!("/sessions/{id}")).await.is(404, "session_not_found");
    admin.get(&format!("/sandboxes/{}", sandbox_of(id))).await.is(404, "sandbox_not_found");
    assert_eq!(handshake(&server, &format!("/sessions/{id}"), &[]).await.err(), Some(404));
}

#[tokio::test]
async fn an_id_that_was_not_given_out_opens_nothing() {
    let (server, admin) = server().await;
    let id = begun(&server, "192.0.2.1").await;
    let sandbox = admin.sandbox().await;
    let signature = id.split('.').nth(1).unwrap();
    let others = [
        sandbox_of(&id).to_owned(),
        format!("{sandbox}.{signature}"),
        format!("{}.{}", sandbox_of(&id), "A".repeat(signature.len())),
        "x".repeat(5_000),
        "%00".to_owned(),
    ];
    for other in &others {
        let path = format!("/sessions/{other}");
        server.anonymous().delete(&path).await.is(404, "session_not_found");
        assert_eq!(handshake(&server, &path, &[]).await.err(), Some(404), "{other}");
    }
    // Genuine, but of a sandbox that is no session.
    let forged = SessionKeys::new(&SECRET).unwrap();
    let forged = forged.id(&sandbox.parse().unwrap()).unwrap();
    server.anonymous().delete(&format!("/sessions/{forged}")).await.is(404, "session_not_found");
    assert_eq!(admin.get(&format!("/sandboxes/{sandbox}")).await.data()["state"], "running");
    // And the session is of no account.
    let somebody = server.user("somebody").await;
    somebody.get(&format!("/sandboxes/{}", sandbox_of(&id))).await.is(404, "sandbox_not_found");
    somebody.get("/admin/sessions").await.is(403, "forbidden");
}

#[tokio::test]
async fn there_are_none_where_nobody_turned_them_on() {
    let server = Server::start().await;
    let admin = server.user("admin").await;
    server.anonymous().act("/sessions").await.is(403, "sessions_disabled");
    server.anonymous().delete("/sessions/x").await.is(403, "sessions_disabled");
    assert_eq!(handshake(&server, "/sessions/x", &[]).await.err(), Some(403));
    admin.post("/admin/class-links", json!({})).await.is(403, "sessions_disabled");
    assert_eq!(admin.get("/admin/sessions").await.data(), &json!([]));
}

#[tokio::test]
async fn without_a_strong_runtime_the_operator_must_say_so() {
    let options = Options { sessions_weak: false, ..Options::default() };
    let (server, _) = with(settings(), RateLimits::default(), options).await;
    let refused = begin(&server, "192.0.2.1", "").await;
    refused.is(503, "sessions_unavailable");
    assert!(refused.message().contains("sessions.allowNative"), "{}", refused.message());
}

#[tokio::test]
async fn an_address_has_so_many_and_begins_so_many() {
    let (server, _) = with(
        PublicSessions { rate: rate(3, 3_600), ..settings() },
        RateLimits::default(),
        Options::default(),
    )
    .await;
    let first = begun(&server, "192.0.2.1").await;
    begun(&server, "192.0.2.1").await;
    for _ in 0..3 {
        let refused = begin(&server, "192.0.2.1", "").await;
        refused.is(429, "too_many_sessions");
        assert_eq!(refused.headers["retry-after"], "60");
    }
    // Others have their own, and one that ended makes room.
    begun(&server, "192.0.2.2").await;
    server.anonymous().delete(&format!("/sessions/{first}")).await.data();
    let third = begun(&server, "192.0.2.1").await;
    server.anonymous().delete(&format!("/sessions/{third}")).await.data();
    let refused = begin(&server, "192.0.2.1", "").await;
    refused.is(429, "rate_limited");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1_000..=1_200).contains(&wait), "{wait}");
}

#[tokio::test]
async fn of_many_who_ask_at_once_no_more_pass_than_may() {
    let (server, admin) = server().await;
    let asked = (0..8).map(|_| begin(&server, "192.0.2.1", ""));
    let answers = futures_util::future::join_all(asked).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 2);
    assert!(answers.iter().filter(|a| a.status != 201).all(|a| a.code() == "too_many_sessions"));
    assert_eq!(admin.get("/admin/sessions").await.data().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_server_has_room_for_so_many() {
    let options = Options { sessions: Some(3), ..Options::default() };
    let (server, _) = with(settings(), RateLimits::default(), options).await;
    for n in 0..3 {
        begun(&server, &format!("192.0.2.{n}")).await;
    }
    begin(&server, "192.0.2.9", "").await.is(429, "too_many_sessions");
}

#[tokio::test]
async fn a_class_link_lifts_the_limits_of_an_address_and_has_its_own() {
    let limits = RateLimits { anonymous: rate(3, 60), ..RateLimits::default() };
    let (server, admin) =
        with(PublicSessions { rate: rate(1, 3_600), ..settings() }, limits, Options::default()).await;
    let link = admin.post("/admin/class-links", json!({"sessions": 5, "expiresInSeconds": 60})).await;
    let path = link.data()["path"].as_str().unwrap().to_owned();
    assert_eq!((&link.data()["sessions"], link.status), (&json!(5), 201));
    let query = path.strip_prefix("/sessions").unwrap();
    let mut ids = Vec::new();
    for n in 0..5 {
        let made = begin(&server, "192.0.2.1", query).await;
        assert_eq!(made.status, 201, "{n}: {made:?}");
        ids.push(made.data()["id"].as_str().unwrap().to_owned());
    }
    begin(&server, "192.0.2.2", query).await.is(429, "too_many_sessions");
    // Nor do their own sessions count by address.
    for id in &ids {
        let request = server.anonymous().request(Method::DELETE, &format!("/sessions/{id}"));
        server.anonymous().send(request.header("x-forwarded-for", "192.0.2.1")).await.data();
    }
    assert_eq!(begin(&server, "192.0.2.1", "").await.status, 201);
    begin(&server, "192.0.2.1", "?class=nonsense").await.is(403, "invalid_class_link");
    begin(&server, "192.0.2.1", &format!("{query}x")).await.is(403, "invalid_class_link");
    begin(&server, "192.0.2.1", &format!("{query}x")).await.is(429, "rate_limited");
    for (body, field) in
        [(json!({"sessions": 51}), "sessions"), (json!({"expiresInSeconds": 0}), "expiresInSeconds")]
    {
        let refused = admin.post("/admin/class-links", body).await;
        refused.is(400, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
}

#[tokio::test]
async fn a_class_link_can_be_taken_back() {
    let (server, admin) = server().await;
    let made = admin.post("/admin/class-links", json!({"sessions": 5})).await;
    let other = admin.post("/admin/class-links", json!({"sessions": 6})).await;
    let listed = admin.get("/admin/class-links").await;
    let links = listed.data().as_array().unwrap();
    let one = |of: &Answer| links.iter().find(|link| link["id"] == of.data()["id"]).unwrap();
    assert_eq!((links.len(), &one(&other)["sessions"], &one(&made)["sessions"]), (2, &json!(6), &json!(5)));
    assert_eq!(one(&made).get("class"), None);
    assert!(!listed.body.to_string().contains(made.data()["class"].as_str().unwrap()), "it is shown once");

    let query = made.data()["path"].as_str().unwrap().strip_prefix("/sessions").unwrap();
    let session = begin(&server, "192.0.2.1", query).await;
    let path = format!("/admin/class-links/{}", made.data()["id"].as_str().unwrap());
    let somebody = server.user("somebody").await;
    somebody.delete(&path).await.is(403, "forbidden");
    somebody.get("/admin/class-links").await.is(403, "forbidden");
    assert_eq!(admin.delete(&path).await.data(), &json!({"id": made.data()["id"], "deleted": true}));
    begin(&server, "192.0.2.1", query).await.is(403, "invalid_class_link");
    admin.delete(&path).await.is(404, "class_link_not_found");
    assert_eq!(admin.get("/admin/class-links").await.data().as_array().unwrap().len(), 1);
    // What was begun with it goes on, and so does the other.
    look(&server, session.data()["id"].as_str().unwrap()).await;
    let query = other.data()["path"].as_str().unwrap().strip_prefix("/sessions").unwrap();
    assert_eq!(begin(&server, "192.0.2.1", query).await.status, 201);
}

#[tokio::test]
async fn pages_of_listed_sites_alone_begin_sessions() {
    let (server, admin) = server().await;
    let anonymous = server.anonymous();
    let preflight = async |path: &str, origin: &str| {
        let request = anonymous.request(Method::OPTIONS, path).header("origin", origin);
        let answer = request.header("access-control-request-method", "POST").send().await.unwrap();
        answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(preflight("/sessions", PAGE).await.as_deref(), Some(PAGE));
    assert_eq!(preflight("/sessions/x", PAGE).await.as_deref(), Some(PAGE));
    assert_eq!(preflight("/sessions", "https://evil.example").await, None);
    assert_eq!(preflight("/sandboxes", PAGE).await, None, "it may begin sessions, and nothing else");

    let begin = |origin: &'static str| {
        let request = anonymous.request(Method::POST, "/sessions").header("origin", origin);
        anonymous.send(request)
    };
    let made = begin(PAGE).await;
    assert_eq!(made.headers["access-control-allow-origin"], PAGE);
    let id = made.data()["id"].as_str().unwrap().to_owned();
    for origin in ["https://evil.example", "null", "https://learn.example.com.evil.example"] {
        begin(origin).await.is(403, "forbidden");
        let path = format!("/sessions/{id}");
        assert_eq!(handshake(&server, &path, &[("origin", origin)]).await.err(), Some(403), "{origin}");
        let request = anonymous.request(Method::DELETE, &path).header("origin", origin);
        anonymous.send(request).await.is(403, "forbidden");
    }
    look(&server, &id).await;
    assert_eq!(admin.get("/admin/sessions").await.data().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn lines_that_come_too_soon_are_not_typed_to_their_end() {
    let (server, _) = with(
        PublicSessions { commands: rate(2, 60), ..settings() },
        RateLimits::default(),
        Options::default(),
    )
    .await;
    let id = begun(&server, "192.0.2.1").await;
    let mut plain = look(&server, &id).await;
    plain.type_in("one\rtwo\rthree\rfour\r").await;
    let mut shown = String::new();
    // What is told goes another way than what is shown.
    while !(shown.contains("press Enter]") && shown.contains("two\r\n")) {
        let Message::Binary(data) = plain.message().await else { panic!("no output after {shown:?}") };
        shown.push_str(str::from_utf8(&data).unwrap());
    }
    assert!(shown.contains("one\r\n") && !shown.contains("four"), "{shown}");

    let headers = [("sec-websocket-protocol", "atoll.terminal.v1")];
    let mut framed =
        handshake(&server, &format!("/sessions/{id}"), &headers).await.unwrap_or_else(|e| panic!("{e}"));
    let (hello, _) = framed.control().await;
    assert_eq!(hello["type"], "attached");
    framed.type_in(Message::Binary(b"\0five\r".to_vec().into())).await;
    let limited: Value = loop {
        let (told, _) = framed.control().await;
        if told["type"] == "limited" {
            break told;
        }
    };
    let wait = limited["retryAfterSeconds"].as_u64().unwrap();
    assert!((1..=60).contains(&wait), "{limited}");
}

#[tokio::test]
async fn sessions_are_audited_and_nobody_else_hears_of_them() {
    let (server, admin) = server().await;
    let somebody = server.user("somebody").await;
    let id = begun(&server, "192.0.2.7").await;
    look(&server, &id).await.type_in("x\r").await;
    server.anonymous().delete(&format!("/sessions/{id}")).await.data();
    let audit = admin.get("/audit?limit=1000").await;
    let text = audit.body.to_string();
    assert!(!text.contains(&id), "the right to a session is not in the log: {text}");
    for action in ["session.create", "session.delete"] {
        let entry = audit.data().as_array().unwrap().iter().find(|entry| entry["action"] == action);
        let entry = entry.unwrap_or_else(|| panic!("{action}: {text}"));
        assert_eq!(
            (&entry["target"], &entry["outcome"]),
            (&json!(sandbox_of(&id)), &json!("accepted")),
            "{entry}"
        );
    }
    let begun = audit.data().as_array().unwrap().iter().find(|entry| entry["action"] == "session.create");
    assert_eq!(begun.unwrap()["address"], "192.0.2.7");
    let theirs = somebody.get("/audit?limit=1000").await;
    assert!(!theirs.body.to_string().contains(sandbox_of(&id)));
    assert_eq!(somebody.get("/sandboxes").await.data(), &json!([]));
}

#[tokio::test]
async fn the_account_of_sessions_is_nobodys() {
    let (server, admin) = server().await;
    begun(&server, "192.0.2.1").await;
    let users = admin.get("/admin/users").await;
    let system =
        users.data().as_array().unwrap().iter().find(|user| user["email"] == "sessions@atoll.invalid");
    let id = system.unwrap()["id"].as_str().unwrap().to_owned();
    let credentials = json!({"email": "sessions@atoll.invalid", "password": "password123"});
    let anonymous = server.anonymous();
    anonymous.post("/auth/signup", credentials.clone()).await.is(409, "email_taken");
    anonymous.post("/auth/login", credentials.clone()).await.is(401, "invalid_credentials");
    let patch =
        admin.request(Method::PATCH, &format!("/admin/users/{id}")).json(&json!({"password": "password123"}));
    admin.send(patch).await.is(403, "forbidden");
    admin.delete(&format!("/admin/users/{id}?sandboxes=delete")).await.is(403, "forbidden");
    anonymous.post("/auth/login", credentials).await.is(401, "invalid_credentials");
}
