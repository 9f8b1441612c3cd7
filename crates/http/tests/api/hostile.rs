//! Every field of every body and query, with every kind of wrong value: a 4xx that names the field, and nothing made.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Client, Server};

/// A route, a body that is right, and its fields with what is allowed beyond their type.
struct Body {
    path: String,
    right: Value,
    fields: &'static [(&'static str, Kind)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Free text: only its type and its length can be wrong.
    Text,
    /// Text of a narrow form, in which no hostile value fits.
    Word,
    Number,
    Flag,
    Map,
    Command,
}

fn bodies(sandbox: &str, exec: &str) -> Vec<Body> {
    use Kind::{Command, Flag, Map, Number, Text, Word};
    let credentials = json!({"email": "x@example.com", "password": "password123"});
    let body = |path: &str, right: Value, fields| Body { path: path.to_owned(), right, fields };
    let exec_path = format!("/sandboxes/{sandbox}/execs/{exec}");
    vec![
        body(
            "/auth/signup",
            credentials.clone(),
            &[("email", Word), ("password", Text), ("invitation", Word)],
        ),
        body("/auth/login", credentials, &[("email", Word), ("password", Text)]),
        body(
            "/auth/password",
            json!({"currentPassword": "password124", "newPassword": "password125"}),
            &[("currentPassword", Text), ("newPassword", Text)],
        ),
        body(
            "/admin/invitations",
            json!({}),
            &[("email", Word), ("role", Word), ("expiresInSeconds", Number)],
        ),
        body("/api-keys", json!({"name": "k"}), &[("name", Text), ("expiresInSeconds", Number)]),
        body(
            "/sandboxes",
            json!({}),
            &[
                ("name", Text),
                ("image", Word),
                ("count", Number),
                ("runtime", Word),
                ("cpu", Number),
                ("memory", Number),
                ("disk", Number),
                ("pids", Number),
                ("network", Word),
                ("env", Map),
                ("command", Command),
                ("user", Word),
                ("capabilities", Word),
                ("readOnlyRoot", Flag),
                ("labels", Map),
                ("ttlSeconds", Number),
                ("onExpiry", Word),
                ("idleTtlSeconds", Number),
            ],
        ),
        body(
            &format!("/sandboxes/{sandbox}/exec"),
            json!({"command": "true"}),
            &[
                ("command", Command),
                ("async", Flag),
                ("env", Map),
                ("cwd", Word),
                ("user", Word),
                ("timeoutSeconds", Number),
                ("stdin", Text),
                ("stdinEncoding", Word),
                ("openStdin", Flag),
            ],
        ),
        body(
            &format!("{exec_path}/stdin"),
            json!({"data": "x"}),
            &[("data", Text), ("encoding", Word), ("eof", Flag)],
        ),
        body(&format!("{exec_path}/signal"), json!({"signal": "URG"}), &[("signal", Word)]),
        body(
            &format!("/sandboxes/{sandbox}/background"),
            json!({"command": "true"}),
            &[
                ("command", Command),
                ("name", Text),
                ("restart", Word),
                ("maxRetries", Number),
                ("backoffMs", Number),
                ("backoffMaxMs", Number),
                ("env", Map),
                ("cwd", Word),
                ("user", Word),
                ("timeoutSeconds", Number),
            ],
        ),
    ]
}

/// Values that no field of this kind takes.
fn wrong(kind: Kind) -> Vec<Value> {
    let mut values = vec![json!([{"a": [null]}])];
    if kind != Kind::Map {
        values.push(json!({"a": 1}));
    }
    if !matches!(kind, Kind::Text | Kind::Word | Kind::Command) {
        values.extend([json!("text"), json!("../../etc/passwd"), json!("1\0")]);
    }
    if kind != Kind::Number {
        values.extend([json!(5), json!(-1), json!(1.5)]);
    }
    if kind != Kind::Flag {
        values.push(json!(true));
    }
    match kind {
        Kind::Text => {}
        Kind::Word => {
            values.extend(["", "../..", "a\0b", "a\nb", " ", "\u{202e}x y"].map(|text| json!(text)))
        }
        Kind::Number => values.extend([json!(-1), json!(1e300), json!(u64::MAX), json!(i64::MIN)]),
        Kind::Flag => values.extend([json!(0), json!("true")]),
        Kind::Map => values.extend([
            json!({"a": 1}),
            json!({"": "x"}),
            json!({"a\0": "x"}),
            json!({"a": "\0"}),
            json!({"A=": "x"}),
        ]),
        Kind::Command => values.extend([
            json!(""),
            json!([]),
            json!([""]),
            json!(["a", 1]),
            json!("a\0"),
            json!(["a", "b\0"]),
        ]),
    }
    values
}

async fn refused(client: &Client, body: &Body, field: &str, value: Value) {
    let mut sent = body.right.clone();
    sent[field] = value;
    let shown: String = sent.to_string().chars().take(200).collect();
    let answer = client.raw(&body.path, sent.to_string()).await;
    assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{} {shown}: {answer:?}", body.path);
    let named = answer.fields();
    assert!(
        named.iter().all(|name| *name == field || name.starts_with(&format!("{field}."))),
        "{} {shown}: {named:?}",
        body.path
    );
    assert!(!named.is_empty(), "{} {shown}", body.path);
    let text = answer.body.to_string();
    assert!(
        text.len() < 4_096 && !answer.message().contains(char::is_control),
        "{} {shown}: {text}",
        body.path
    );
}

struct World {
    server: Server,
    user: Client,
    sandbox: String,
    exec: String,
}

impl World {
    async fn new() -> Self {
        let server = Server::start().await;
        let user = server.user("a").await;
        let sandbox = user.sandbox().await;
        let exec = user.sleeper(&sandbox).await;
        Self { server, user, sandbox, exec }
    }

    fn bodies(&self) -> Vec<Body> {
        bodies(&self.sandbox, &self.exec)
    }

    /// One sandbox, one exec, no key: as at the start.
    async fn nothing_was_made(&self) {
        assert_eq!(self.user.get("/sandboxes").await.data().as_array().unwrap().len(), 1);
        let execs = self.user.get(&format!("/sandboxes/{}/execs", self.sandbox)).await;
        assert_eq!(execs.data().as_array().unwrap().len(), 1);
        assert_eq!(self.user.get("/api-keys").await.data(), &json!([]));
        assert_eq!(self.server.agents.started().len(), 1);
    }
}

#[tokio::test]
async fn every_field_refuses_what_it_is_not() {
    let world = World::new().await;
    for body in world.bodies() {
        for (field, kind) in body.fields {
            for value in wrong(*kind) {
                refused(&world.user, &body, field, value).await;
            }
        }
    }
    world.nothing_was_made().await;
}

#[tokio::test]
async fn every_field_has_a_length() {
    let world = World::new().await;
    for body in world.bodies() {
        for (field, kind) in body.fields {
            let long = "x".repeat(3 << 20);
            let value = match kind {
                Kind::Text | Kind::Word | Kind::Command => json!(long),
                Kind::Map => json!({"a": long}),
                Kind::Number | Kind::Flag => continue,
            };
            refused(&world.user, &body, field, value).await;
            if *kind == Kind::Map {
                let many: serde_json::Map<_, _> = (0..5_000).map(|n| (format!("k{n}"), json!("v"))).collect();
                refused(&world.user, &body, field, many.into()).await;
            }
        }
    }
    world.nothing_was_made().await;
}

#[tokio::test]
async fn bodies_that_are_no_objects_are_refused() {
    let world = World::new().await;
    for body in world.bodies() {
        let deep = "[".repeat(100_000);
        let nested = format!("{}1{}", r#"{"a":"#.repeat(50_000), "}".repeat(50_000));
        for text in ["null", "5", "\"x\"", "{", "{}}", "\0", "{\"a\"", deep.as_str(), nested.as_str()] {
            let answer = world.user.raw(&body.path, text.to_owned()).await;
            let shown = &text[..text.len().min(20)];
            assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{} {shown}", body.path);
        }
        let unknown = {
            let mut sent = body.right.clone();
            sent["nonsense"] = json!(1);
            world.user.post(&body.path, sent).await
        };
        assert_eq!((unknown.status, unknown.fields()), (400, vec!["nonsense"]), "{}", body.path);
        let large = world.user.raw(&body.path, vec![b' '; 10 << 20]).await;
        large.is(413, "body_too_large");
        let form = world
            .user
            .request(Method::POST, &body.path)
            .header("content-type", "application/x-www-form-urlencoded");
        let form = world.user.send(form.body("a=b")).await;
        form.is(415, "unsupported_media_type");
        assert!(form.message().contains("-H 'Content-Type: application/json'"));
        for required in body.right.as_object().unwrap().keys().filter(|key| *key != "data") {
            let mut sent = body.right.clone();
            sent.as_object_mut().unwrap().remove(required);
            let answer = world.user.post(&body.path, sent).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![required.as_str()]), "{}", body.path);
        }
    }
    world.nothing_was_made().await;
}

#[tokio::test]
async fn several_wrong_fields_are_named_together() {
    let world = World::new().await;
    let body = json!({"name": "", "cpu": 0, "memory": 1, "labels": {"a b": "c"}, "ttlSeconds": 0});
    let answer = world.user.post("/sandboxes", body).await;
    let mut fields = answer.fields();
    fields.sort_unstable();
    assert_eq!(fields, ["cpu", "labels.a b", "memory", "name", "ttlSeconds"]);
}

#[tokio::test]
async fn every_query_refuses_what_it_is_not() {
    let world = World::new().await;
    let sandbox = format!("/sandboxes/{}", world.sandbox);
    let queries = [
        ("/sandboxes".to_owned(), vec!["limit", "cursor", "state", "label"]),
        ("/api-keys".to_owned(), vec!["limit", "cursor"]),
        ("/images".to_owned(), vec!["limit", "cursor"]),
        (format!("{sandbox}/execs"), vec!["limit", "cursor"]),
        (format!("{sandbox}/logs"), vec!["tail", "since"]),
        (format!("{sandbox}/background"), vec!["limit", "cursor"]),
        (format!("{sandbox}/background/0000000000000000/logs"), vec!["tail", "since"]),
    ];
    let long = "x".repeat(5_000);
    for (path, keys) in &queries {
        for key in keys {
            for value in ["%00", "..%2F..", "%ff%fe", "-1", "99999999999999999999", "a%0Ab", long.as_str()] {
                let answer = world.user.get(&format!("{path}?{key}={value}")).await;
                assert_eq!(
                    (answer.status, answer.code()),
                    (400, "invalid_request"),
                    "{path} {key}={value}: {answer:?}"
                );
                let field = format!("query.{key}");
                assert!(
                    answer.fields().contains(&field.as_str()) || answer.fields() == [*key],
                    "{path} {key}={value}: {answer:?}"
                );
            }
        }
        assert_eq!(
            world.user.get(&format!("{path}?nonsense=1")).await.fields(),
            ["query.nonsense"],
            "{path}"
        );
        assert_eq!(
            world.user.get(&format!("{path}?{}", "a=b&".repeat(4_000))).await.fields(),
            ["query"],
            "{path}"
        );
        let twice = world.user.get(&format!("{path}?{0}=1&{0}=1", keys[0])).await;
        assert_eq!(twice.fields(), [format!("query.{}", keys[0])], "{path}");
    }
    let zero = world.user.get("/sandboxes?limit=0").await;
    assert_eq!(zero.message(), "query.limit: must be 1 to 1000");
}

#[tokio::test]
async fn ids_that_cannot_be_name_nothing() {
    let world = World::new().await;
    for id in ["x", "..%2F..%2Fetc", "%00", "%0a", "%ff", "A23456789012", &"0".repeat(5_000), "%1b%5b2J"] {
        world.user.get(&format!("/sandboxes/{id}")).await.is(404, "sandbox_not_found");
        world.user.delete(&format!("/sandboxes/{id}")).await.is(404, "sandbox_not_found");
        world
            .user
            .post(&format!("/sandboxes/{id}/exec"), json!({"command": "true"}))
            .await
            .is(404, "sandbox_not_found");
        let exec = world.user.get(&format!("/sandboxes/{}/execs/{id}", world.sandbox)).await;
        assert!(exec.status == 404 && exec.code().ends_with("_not_found"), "{exec:?}");
        for path in ["", "/logs"] {
            let job = world.user.get(&format!("/sandboxes/{}/background/{id}{path}", world.sandbox)).await;
            assert!(job.status == 404 && job.code().ends_with("_not_found"), "{job:?}");
        }
        world.user.delete(&format!("/api-keys/{id}")).await.is(404, "api_key_not_found");
    }
    for name in ["..%2F..", "%00", "%ff", "a%0ab"] {
        world.user.delete(&format!("/images/{name}")).await.is(404, "image_not_found");
    }
    world.nothing_was_made().await;
}

#[tokio::test]
async fn a_head_without_end_is_cut() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start().await;
    let mut connection = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET /health HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(1 << 20));
    // The server may close before all of it is written.
    connection.write_all(head.as_bytes()).await.ok();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.ok();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}
