//! Every route of the document, with every kind of caller: nobody, another user, its owner, a key without its scope, an
//! admin. A route that this table does not know fails the test.
//!
//! A new route gets one row in `table`: its method and path as the document has them, a body that is right where it takes
//! one, and what others get. Where it names a new kind of thing, `Things` makes one of it, and `Things::path` puts its id
//! into the path. The scope of a key that it needs follows from its first segment (`scope_of`); one that does not follow
//! says so with `needs`. A thing that is not even an admin's is `private`.

use std::collections::BTreeSet;

use atoll_ports::ClassLinkStore as _;
use atoll_types::{Scope, Scopes, SessionId, UserId};
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
    /// It is for the role admin.
    Admin,
}

pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) body: Option<Value>,
    others: Others,
    needs: Option<&'static str>,
    private: bool,
}

fn route(method: Method, path: &'static str, body: Option<Value>, others: Others) -> Route {
    Route { method, path, body, others, needs: None, private: false }
}

impl Route {
    fn needs(self, scope: &'static str) -> Self {
        Self { needs: Some(scope), ..self }
    }

    fn private(self) -> Self {
        Self { private: true, ..self }
    }

    /// The scope that a key needs for it.
    fn scope(&self) -> String {
        self.needs.map_or_else(|| scope_of(&self.method, self.path), str::to_owned)
    }
}

fn scope_of(method: &Method, path: &str) -> String {
    let kind = match path.trim_start_matches("/ws").split('/').nth(1).unwrap() {
        "admin" => return "admin".to_owned(),
        "api-keys" => "keys",
        "environments" if path.contains("/secrets") => "secrets",
        "auth" | "usage" | "audit" | "events" => "account",
        kind => kind,
    };
    format!("{kind}:{}", if method == Method::GET { "read" } else { "write" })
}

pub(crate) fn table() -> Vec<Route> {
    use Others::{Absent, Admin, Forbidden, Own, Public};
    let credentials = || Some(json!({"email": "x@example.com", "password": "password123"}));
    let passwords = json!({"currentPassword": "not this one", "newPassword": "password124"});
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    vec![
        route(post.clone(), "/auth/signup", credentials(), Public),
        route(post.clone(), "/auth/login", credentials(), Public),
        route(get.clone(), "/health", None, Public),
        route(get.clone(), "/health/ready", None, Public),
        route(get.clone(), "/health/live", None, Public),
        route(get.clone(), "/metrics", None, Public),
        route(post.clone(), "/auth/refresh", Some(json!({"refreshToken": "x"})), Public),
        route(get.clone(), "/auth/me", None, Own),
        route(post.clone(), "/auth/logout", None, Own),
        route(post.clone(), "/auth/password", Some(passwords), Own),
        route(get.clone(), "/auth/sessions", None, Own),
        route(delete.clone(), "/auth/sessions/{id}", None, Absent).private(),
        route(get.clone(), "/admin/users", None, Admin),
        route(get.clone(), "/admin/users/{id}", None, Admin),
        route(Method::PATCH, "/admin/users/{id}", Some(json!({"disabled": false})), Admin),
        route(delete.clone(), "/admin/users/{id}", None, Admin),
        route(post.clone(), "/admin/invitations", Some(json!({})), Admin),
        route(get.clone(), "/admin/invitations", None, Admin),
        route(delete.clone(), "/admin/invitations/{id}", None, Admin),
        route(get.clone(), "/admin/runtimes", None, Admin),
        route(get.clone(), "/admin/doctor", None, Admin),
        route(post.clone(), "/admin/class-links", Some(json!({})), Admin),
        route(get.clone(), "/admin/class-links", None, Admin),
        route(delete.clone(), "/admin/class-links/{id}", None, Admin),
        route(get.clone(), "/admin/sessions", None, Admin),
        route(post.clone(), "/sessions", None, Public),
        route(get.clone(), "/sessions/{id}", None, Public),
        route(delete.clone(), "/sessions/{id}", None, Public),
        route(post.clone(), "/api-keys", Some(json!({"name": "k"})), Own),
        route(get.clone(), "/api-keys", None, Own),
        route(delete.clone(), "/api-keys/{id}", None, Absent).private(),
        route(post.clone(), "/sandboxes", Some(json!({})), Own),
        route(get.clone(), "/sandboxes", None, Own),
        route(delete.clone(), "/sandboxes", None, Own),
        route(post.clone(), "/sandboxes/stop", None, Own),
        route(get.clone(), "/sandboxes/{id}", None, Absent),
        route(post.clone(), "/sandboxes/{id}/start", None, Absent),
        route(post.clone(), "/sandboxes/{id}/stop", None, Absent),
        route(post.clone(), "/sandboxes/{id}/restart", None, Absent),
        route(post.clone(), "/sandboxes/{id}/keepalive", None, Absent),
        route(get.clone(), "/sandboxes/{id}/logs", None, Absent),
        route(post.clone(), "/sandboxes/{id}/replicate", None, Absent),
        route(post.clone(), "/environments", Some(json!({"name": "e"})), Own),
        route(get.clone(), "/environments", None, Own),
        route(get.clone(), "/environments/{id}", None, Absent),
        route(Method::PUT, "/environments/{id}", Some(json!({})), Absent),
        route(get.clone(), "/environments/{id}/versions", None, Absent),
        route(post.clone(), "/environments/{id}/secrets", Some(json!({"key": "A", "value": "b"})), Absent),
        route(get.clone(), "/environments/{id}/secrets", None, Absent),
        route(delete.clone(), "/environments/{id}/secrets/{key}", None, Absent),
        route(post.clone(), "/admin/master-key/rotate", None, Admin),
        route(get.clone(), "/environments/{id}/versions/{version}", None, Absent),
        route(get.clone(), "/environments/{id}/versions/diff", None, Absent),
        route(delete.clone(), "/environments/{id}", None, Absent),
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
        route(get.clone(), "/sandboxes/{id}/terminal", None, Absent).needs("sandboxes:write"),
        route(get.clone(), "/ws/sandboxes/{id}/terminal", None, Absent).needs("sandboxes:write"),
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
        route(get.clone(), "/admin/audit/verify", None, Admin),
        route(get.clone(), "/admin/quotas/{id}", None, Admin),
        route(Method::PUT, "/admin/quotas/{id}", Some(json!({"cpu": 1})), Admin),
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
        route(post.clone(), "/images", None, Own),
        route(post.clone(), "/images/build", None, Own),
        route(post, "/images/{name}/push", Some(json!({"reference": "a.example/mine:1"})), Forbidden),
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
pub(crate) struct Things {
    sandbox: String,
    exec: String,
    job: String,
    key: String,
    session: String,
    /// Its name, which is of the owner alone.
    image: String,
    /// Of the server, where an admin made them.
    pub(crate) account: String,
    invitation: String,
    class_link: String,
    pub(crate) environment: String,
}

impl Things {
    async fn of(owner: &Client) -> Self {
        let sandbox = owner.sandbox().await;
        let exec = owner.sleeper(&sandbox).await;
        let key =
            owner.post("/api-keys", json!({"name": "mine"})).await.data()["id"].as_str().unwrap().to_owned();
        let image = owner.get("/auth/me").await.data()["id"].as_str().unwrap().to_owned();
        let import = owner
            .request(Method::POST, &format!("/images?name={image}"))
            .header("content-type", "application/x-tar");
        owner.send(import.body("tar")).await.data();
        let new = json!({"command": "sleep 100", "restart": "always"});
        let job = owner.post(&format!("/sandboxes/{sandbox}/background"), new).await;
        let job = job.data()["id"].as_str().unwrap().to_owned();
        let session = owner.get("/auth/sessions").await.data()[0]["id"].as_str().unwrap().to_owned();
        let (_, environment) = owner.environment(json!({"name": "mine"})).await;
        let none = "0000000000000000".to_owned();
        let (account, invitation, class_link) = (none.clone(), none.clone(), none);
        Self { sandbox, exec, job, key, session, image, account, invitation, class_link, environment }
    }

    /// With what only an admin makes.
    pub(crate) async fn of_admin(admin: &Client, server: &Server, name: &str) -> Self {
        let invitation =
            admin.post("/admin/invitations", json!({})).await.data()["id"].as_str().unwrap().to_owned();
        let account = server.user(name).await.get("/auth/me").await.data()["id"].as_str().unwrap().to_owned();
        // One that was made while there were public sessions.
        let maker = admin.get("/auth/me").await.data()["id"].as_str().unwrap().parse().unwrap();
        let link = atoll_testkit::samples::class_link(&maker);
        server.store.class_link_insert(&link).await.unwrap();
        let class_link = link.id.to_string();
        Self { account, invitation, class_link, ..Self::of(admin).await }
    }

    pub(crate) fn path(&self, route: &Route) -> String {
        let kinds = [
            ("/api-keys", &self.key),
            ("/auth/sessions", &self.session),
            ("/admin/users", &self.account),
            ("/admin/quotas", &self.account),
            ("/admin/invitations", &self.invitation),
            ("/admin/class-links", &self.class_link),
            ("/environments", &self.environment),
        ];
        let kind = kinds.into_iter().find(|(kind, _)| route.path.starts_with(kind));
        let id = kind.map_or(&self.sandbox, |(_, id)| id);
        let path = route
            .path
            .replace("{id}", id)
            .replace("{exec_id}", &self.exec)
            .replace("{job_id}", &self.job)
            .replace("{name}", &self.image)
            .replace("{version}", "1")
            .replace("{key}", "A");
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
    let owner_id: UserId = owner.get("/auth/me").await.data()["id"].as_str().unwrap().parse().unwrap();
    let good = forged_of(&owner_id, &things.session, 99_999_999_999, SECRET);
    assert_eq!(anonymous.with_token(&good).get("/auth/me").await.status, 200, "or the others prove nothing");
    let bad_tokens = [
        "x".to_owned(),
        "sk_0000000000000000".to_owned(),
        "sk_".to_owned(),
        "a".repeat(10_000),
        format!("{}x", owner.token.as_ref().unwrap()),
        forged(&UserId::random(), 99_999_999_999, [8; 32]),
        forged(&UserId::random(), 99_999_999_999, SECRET),
        forged(&UserId::random(), 1_000, SECRET),
        forged_of(&UserId::random(), &things.session, 99_999_999_999, SECRET),
        forged_of(&owner_id, &SessionId::random().to_string(), 99_999_999_999, SECRET),
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
    forged_of(user, &SessionId::random().to_string(), exp, secret)
}

fn forged_of(user: &UserId, session: &str, exp: u64, secret: [u8; 32]) -> String {
    let claims = json!({"iss": "atoll", "sub": user, "sid": session, "iat": 1, "exp": exp});
    let key = jsonwebtoken::EncodingKey::from_secret(&secret);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// Such a route upgrades before it looks, and tells what is wrong in its own way.
pub(crate) fn is_socket(path: &str) -> bool {
    path.starts_with("/ws/") || ["/stream", "/terminal", "/watch"].iter().any(|end| path.ends_with(end))
}

#[tokio::test]
async fn another_user_finds_nothing() {
    let server = Server::start().await;
    server.user("admin").await;
    let owner = server.user("owner").await;
    let things = Things::of(&owner).await;
    let somebody = server.user("other").await;
    for route in table() {
        // Who logs out knows nothing any more.
        let leaver = if route.path == "/auth/logout" { Some(server.user("leaver").await) } else { None };
        let other = leaver.as_ref().unwrap_or(&somebody);
        let path = things.path(&route);
        let name = format!("{} {}", route.method, route.path);
        match route.others {
            Others::Public => {}
            // A stream without end, and what one has asked for oneself: they have tests of their own.
            Others::Own if ["/events", "/audit"].contains(&route.path) => {}
            Others::Own => {
                let answer = call(other, &route, &path).await;
                let shown = answer.body.to_string();
                let mine = [
                    &things.sandbox,
                    &things.exec,
                    &things.job,
                    &things.key,
                    &things.session,
                    &things.environment,
                ];
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
            Others::Absent => assert_eq!(call(other, &route, &path).await.status, 404, "{name}"),
            Others::Forbidden => assert_eq!(call(other, &route, &path).await.status, 403, "{name}"),
            Others::Admin => assert_eq!(call(other, &route, &path).await.code(), "forbidden", "{name}"),
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

/// What tells somebody that he may not, or that there is no such thing for him.
const KEPT_OUT: [&str; 10] = [
    "unauthorized",
    "forbidden",
    "missing_scope",
    "sandbox_not_found",
    "api_key_not_found",
    "image_not_found",
    "session_not_found",
    "account_not_found",
    "invitation_not_found",
    "class_link_not_found",
];

/// The code that a caller gets; none with an answer that is a success, or no JSON.
async fn plain_code(client: &Client, route: &Route, path: &str) -> String {
    let path = if route.method == Method::GET { path.replace("?name=theirs", "") } else { path.to_owned() };
    let request = client.request(route.method.clone(), &path);
    let request = route.body.iter().fold(request, |request, body| request.json(body));
    // Whoever is refused hears so at once; one that is let in may wait for a clock that stands still here.
    let answer = tokio::time::timeout(std::time::Duration::from_secs(2), request.send()).await;
    let Ok(response) = answer else { return String::new() };
    let response = response.unwrap();
    assert!(response.status().as_u16() < 500, "{} {}: {response:?}", route.method, route.path);
    // A stream without end.
    if route.path == "/events" && response.status().is_success() {
        return String::new();
    }
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// The same, also of a socket.
async fn code(server: &Server, client: &Client, route: &Route, path: &str) -> String {
    if !is_socket(route.path) {
        return plain_code(client, route, path).await;
    }
    let mut stream = connect(server, path, client.token.as_deref()).await;
    // One that is let in may have nothing to say for a while.
    let first = tokio::time::timeout(std::time::Duration::from_millis(200), stream.next()).await;
    let Ok(Ok(first)) = first else { return String::new() };
    first["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_owner_and_an_admin_get_to_everything_that_is_theirs() {
    let server = Server::start().await;
    let admin = server.user("admin").await;
    for (n, route) in table().into_iter().enumerate().filter(|(_, route)| route.others != Others::Public) {
        let name = format!("{} {}", route.method, route.path);
        if route.others == Others::Admin {
            let things = Things::of_admin(&admin, &server, &format!("account{n}")).await;
            let code = code(&server, &admin, &route, &things.path(&route)).await;
            assert!(!KEPT_OUT.contains(&code.as_str()), "{name} as admin: {code}");
            continue;
        }
        let owner = server.user(&format!("owner{n}")).await;
        // An admin comes first, to a thing that is not his; what he deletes is another one than the owner comes to.
        if route.others != Others::Own {
            let things = Things::of(&owner).await;
            let code = code(&server, &admin, &route, &things.path(&route)).await;
            assert_eq!(KEPT_OUT.contains(&code.as_str()), route.private, "{name} as admin: {code}");
        }
        let things = Things::of(&owner).await;
        let code = code(&server, &owner, &route, &things.path(&route)).await;
        assert!(!KEPT_OUT.contains(&code.as_str()), "{name} as owner: {code}");
    }
}

#[tokio::test]
async fn a_key_needs_the_scope_of_the_route_and_no_other() {
    let server = Server::start().await;
    let admin = server.user("admin").await;
    let things = Things::of_admin(&admin, &server, "account").await;
    let mut keys = Vec::new();
    // All of them first: one of the routes ends the log-in that makes them.
    for wanted in Scope::ALL {
        // Whatever has it in it is left out too.
        let others = Scope::ALL.into_iter().filter(|scope| !Scopes::NONE.with(*scope).has(wanted));
        let without = key(&admin, others.collect()).await;
        keys.push((wanted, key(&admin, Scopes::NONE.with(wanted)).await, without));
    }
    for (wanted, only, without) in keys {
        let routes = table().into_iter().filter(|route| route.others != Others::Public);
        for route in routes.filter(|route| route.scope() == wanted.as_str()) {
            let (name, path) = (format!("{} {}", route.method, route.path), things.path(&route));
            call(&without, &route, &path).await.is(403, "missing_scope");
            let code = plain_code(&only, &route, &path).await;
            assert_ne!(code, "missing_scope", "{name} with {wanted}");
        }
    }
    let known: BTreeSet<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    for route in table() {
        let known = route.others == Others::Public || known.contains(route.scope().as_str());
        assert!(known, "{} {}: {}", route.method, route.path, route.scope());
    }
}

async fn key(owner: &Client, scopes: Scopes) -> Client {
    let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    let made = owner.post("/api-keys", json!({"name": "scoped", "scopes": scopes})).await;
    owner.with_token(made.data()["key"].as_str().unwrap())
}
