//! Every route of the document, with every kind of caller. A route that this table does not know fails the test.

use std::collections::BTreeSet;

use atoll_types::UserId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, SECRET, Server};
use crate::streams::connect;

/// What others get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    /// Everybody may call it.
    Public,
    /// It speaks of the caller's own things only.
    Own,
    /// It names a thing, which for others does not exist.
    Absent,
    /// It names a shared thing, which only its owner may change.
    Forbidden,
}

struct Route {
    method: Method,
    path: &'static str,
    body: Option<Value>,
    others: Others,
}

fn route(method: Method, path: &'static str, body: Option<Value>, others: Others) -> Route {
    Route { method, path, body, others }
}

fn table() -> Vec<Route> {
    use Others::{Absent, Forbidden, Own, Public};
    let credentials = || Some(json!({"email": "x@example.com", "password": "password123"}));
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    vec![
        route(post.clone(), "/auth/signup", credentials(), Public),
        route(post.clone(), "/auth/login", credentials(), Public),
        route(get.clone(), "/health", None, Public),
        route(get.clone(), "/health/ready", None, Public),
        route(get.clone(), "/health/live", None, Public),
        route(get.clone(), "/metrics", None, Public),
        route(get.clone(), "/auth/me", None, Own),
        route(post.clone(), "/api-keys", Some(json!({"name": "k"})), Own),
        route(get.clone(), "/api-keys", None, Own),
        route(delete.clone(), "/api-keys/{id}", None, Absent),
        route(post.clone(), "/sandboxes", Some(json!({})), Own),
        route(get.clone(), "/sandboxes", None, Own),
        route(get.clone(), "/sandboxes/{id}", None, Absent),
        route(post.clone(), "/sandboxes/{id}/start", None, Absent),
        route(post.clone(), "/sandboxes/{id}/stop", None, Absent),
        route(post.clone(), "/sandboxes/{id}/restart", None, Absent),
        route(post.clone(), "/sandboxes/{id}/keepalive", None, Absent),
        route(get.clone(), "/sandboxes/{id}/logs", None, Absent),
        route(post.clone(), "/sandboxes/{id}/exec", Some(json!({"command": "true"})), Absent),
        route(get.clone(), "/sandboxes/{id}/execs", None, Absent),
        route(get.clone(), "/sandboxes/{id}/execs/{exec_id}", None, Absent),
        route(post.clone(), "/sandboxes/{id}/execs/{exec_id}/stdin", Some(json!({"data": "x"})), Absent),
        route(
            post.clone(),
            "/sandboxes/{id}/execs/{exec_id}/signal",
            Some(json!({"signal": "KILL"})),
            Absent,
        ),
        route(
            post.clone(),
            "/sandboxes/{id}/execs/{exec_id}/resize",
            Some(json!({"cols": 80, "rows": 24})),
            Absent,
        ),
        route(get.clone(), "/sandboxes/{id}/stream", None, Absent),
        route(get.clone(), "/sandboxes/{id}/terminal", None, Absent),
        route(get.clone(), "/ws/sandboxes/{id}/terminal", None, Absent),
        route(post.clone(), "/sandboxes/{id}/terminal/resize", Some(json!({"cols": 80, "rows": 24})), Absent),
        route(get.clone(), "/sandboxes/{id}/terminals", None, Absent),
        route(delete.clone(), "/sandboxes/{id}/terminals/{name}", None, Absent),
        route(post.clone(), "/sandboxes/{id}/pause", None, Absent),
        route(post.clone(), "/sandboxes/{id}/resume", None, Absent),
        route(get.clone(), "/sandboxes/{id}/metrics", None, Absent),
        route(get.clone(), "/sandboxes/{id}/metrics/history", None, Absent),
        route(get.clone(), "/audit", None, Own),
        route(get.clone(), "/events", None, Own),
        route(get.clone(), "/usage", None, Own),
        route(get.clone(), "/admin/audit/verify", None, Forbidden),
        route(get.clone(), "/admin/quotas/{user}", None, Forbidden),
        route(Method::PUT, "/admin/quotas/{user}", Some(json!({"cpu": 1})), Forbidden),
        route(get.clone(), "/ws/sandboxes/{id}/logs", None, Absent),
        route(
            post.clone(),
            "/sandboxes/{id}/background",
            Some(json!({"command": "true", "restart": "always"})),
            Absent,
        ),
        route(get.clone(), "/sandboxes/{id}/background", None, Absent),
        route(get.clone(), "/sandboxes/{id}/background/{job_id}", None, Absent),
        route(get.clone(), "/sandboxes/{id}/background/{job_id}/logs", None, Absent),
        route(delete.clone(), "/sandboxes/{id}/background/{job_id}", None, Absent),
        route(get.clone(), "/sandboxes/{id}/files", None, Absent),
        route(post.clone(), "/sandboxes/{id}/files", Some(json!({"path": "f", "content": "x"})), Absent),
        route(get.clone(), "/sandboxes/{id}/files/{path}", None, Absent),
        route(Method::PATCH, "/sandboxes/{id}/files/{path}", Some(json!({"mode": "0600"})), Absent),
        route(delete.clone(), "/sandboxes/{id}/files/{path}", None, Absent),
        route(get.clone(), "/sandboxes/{id}/archive", None, Absent),
        route(post.clone(), "/sandboxes/{id}/archive", None, Absent),
        route(get.clone(), "/sandboxes/{id}/search", None, Absent),
        route(get.clone(), "/sandboxes/{id}/watch", None, Absent),
        route(delete.clone(), "/sandboxes/{id}", None, Absent),
        route(get, "/images", None, Own),
        route(post, "/images", None, Own),
        route(delete, "/images/{name}", None, Forbidden),
    ]
}

#[test]
fn the_table_knows_every_route_and_no_other() {
    let document = serde_json::to_value(atoll_http::openapi()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let known: BTreeSet<_> = table().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(documented, known);
}

#[test]
fn the_document_says_what_is_public() {
    let document = serde_json::to_value(atoll_http::openapi()).unwrap();
    for route in table() {
        let method = route.method.as_str().to_lowercase();
        let is_open = document["paths"][route.path][&method].get("security").is_none();
        assert_eq!(is_open, route.others == Others::Public, "{} {}", route.method, route.path);
    }
}

/// Things of one user.
struct Things {
    sandbox: String,
    exec: String,
    job: String,
    key: String,
}

impl Things {
    async fn of(owner: &Client) -> Self {
        let sandbox = owner.sandbox().await;
        let exec = owner.sleeper(&sandbox).await;
        let key =
            owner.post("/api-keys", json!({"name": "mine"})).await.data()["id"].as_str().unwrap().to_owned();
        let import =
            owner.request(Method::POST, "/images?name=mine").header("content-type", "application/x-tar");
        owner.send(import.body("tar")).await.data();
        let new = json!({"command": "sleep 100", "restart": "always"});
        let job = owner.post(&format!("/sandboxes/{sandbox}/background"), new).await;
        let job = job.data()["id"].as_str().unwrap().to_owned();
        Self { sandbox, exec, job, key }
    }

    fn path(&self, route: &Route) -> String {
        let id = if route.path.starts_with("/api-keys") { &self.key } else { &self.sandbox };
        let path = route
            .path
            .replace("{id}", id)
            .replace("{exec_id}", &self.exec)
            .replace("{job_id}", &self.job)
            .replace("{user}", "0123456789abcdef")
            .replace("{name}", "mine");
        match route.path {
            "/images" => format!("{path}?name=theirs"),
            "/sandboxes/{id}/stream" => format!("{path}?exec_id={}", self.exec),
            "/sandboxes/{id}/search" => format!("{path}?q=x"),
            _ => path,
        }
    }
}

async fn call(client: &Client, route: &Route, path: &str) -> Answer {
    let path = if route.method == Method::GET { path.replace("?name=theirs", "") } else { path.to_owned() };
    let request = client.request(route.method.clone(), &path);
    client
        .send(match &route.body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
}

#[tokio::test]
async fn nobody_gets_in_without_a_valid_token() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let things = Things::of(&owner).await;
    let anonymous = server.anonymous();
    let bad_tokens = [
        "x".to_owned(),
        "sk_0000000000000000".to_owned(),
        "sk_".to_owned(),
        "a".repeat(10_000),
        format!("{}x", owner.token.as_ref().unwrap()),
        forged(&UserId::random(), 99_999_999_999, [8; 32]),
        forged(&UserId::random(), 99_999_999_999, SECRET),
        forged(&UserId::random(), 1_000, SECRET),
    ];
    let mut clients: Vec<_> = bad_tokens.iter().map(|token| anonymous.with_token(token)).collect();
    clients.push(anonymous);
    // What is no JSON has tests of its own.
    for route in table().into_iter().filter(|route| route.path != "/metrics") {
        for client in &clients {
            let answer = call(client, &route, &things.path(&route)).await;
            let name = format!("{} {} as {:?}", route.method, route.path, client.token);
            if route.others == Others::Public {
                assert_ne!(answer.code(), "unauthorized", "{name}");
            } else {
                assert_eq!((answer.status, answer.code()), (401, "unauthorized"), "{name}");
                assert_eq!(answer.headers["www-authenticate"], "Bearer", "{name}");
            }
        }
    }
    assert_eq!(owner.get(&format!("/sandboxes/{}", things.sandbox)).await.data()["state"], "running");
}

fn forged(user: &UserId, exp: u64, secret: [u8; 32]) -> String {
    let claims = json!({"iss": "atoll", "sub": user, "iat": 1, "exp": exp});
    let key = jsonwebtoken::EncodingKey::from_secret(&secret);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// Such a route upgrades before it looks, and tells what is wrong in its own way.
fn is_socket(path: &str) -> bool {
    path.starts_with("/ws/") || ["/stream", "/terminal", "/watch"].iter().any(|end| path.ends_with(end))
}

#[tokio::test]
async fn another_user_finds_nothing() {
    let server = Server::start().await;
    server.user("admin").await;
    let owner = server.user("owner").await;
    let things = Things::of(&owner).await;
    let other = server.user("other").await;
    for route in table() {
        let path = things.path(&route);
        let name = format!("{} {}", route.method, route.path);
        match route.others {
            Others::Public => {}
            // A stream without end, and what one has asked for oneself: they have tests of their own.
            Others::Own if ["/events", "/audit"].contains(&route.path) => {}
            Others::Own => {
                let answer = call(&other, &route, &path).await;
                let shown = answer.body.to_string();
                let mine = [&things.sandbox, &things.exec, &things.job, &things.key];
                assert!(!mine.iter().any(|id| shown.contains(*id)), "{name}: {shown}");
            }
            Others::Absent if is_socket(route.path) => {
                let mut stream = connect(&server, &path, other.token.as_deref()).await;
                let (messages, code) = stream.rest().await;
                assert_eq!(
                    (messages[0]["error"]["code"].as_str(), code),
                    (Some("sandbox_not_found"), Some(4404)),
                    "{name}"
                );
            }
            Others::Absent => assert_eq!(call(&other, &route, &path).await.status, 404, "{name}"),
            Others::Forbidden => assert_eq!(call(&other, &route, &path).await.status, 403, "{name}"),
        }
    }
    assert_eq!(owner.get(&format!("/sandboxes/{}", things.sandbox)).await.data()["state"], "running");
    let exec = owner.get(&format!("/sandboxes/{}/execs/{}", things.sandbox, things.exec)).await;
    assert_eq!(exec.data()["status"], "running");
    let jobs = owner.get(&format!("/sandboxes/{}/background", things.sandbox)).await;
    assert_eq!((jobs.data().as_array().unwrap().len(), &jobs.data()[0]["status"]), (1, &json!("running")));
    assert!(
        server.agents.signals(&things.sandbox.parse().unwrap(), &things.exec.parse().unwrap()).is_empty()
    );
}
