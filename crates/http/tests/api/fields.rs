//! Every field of every body, every parameter of a query and every part of a path that the document tells, with values made
//! of its schema: what is of another type, missing or too long is refused with the name of the field, and makes nothing; what
//! is hostile is no failure of ours. A new field is tried without a word here.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::access::{Route, Things, is_socket, table};
use crate::kit::{Answer, Client, Server};
use crate::streams::handshake;

/// Longer than what any field holds, and shorter than a body may be, in bytes.
const LONG_BYTES: usize = 2 << 20;
/// More than any field has of anything.
const MANY: usize = 20_000;
/// What refuses is short, however long what it refuses is: fifty sentences of at most 300 characters, twice.
const ANSWER_BYTES_MAX: usize = 40_000;
/// Time for an answer: what is refused is so at once, and what is taken may wait for a clock that stands still here.
const AT_ONCE: Duration = Duration::from_secs(2);
/// What means harm, or is at the end of a scale; some fields may have some of it.
const HOSTILE: [&str; 8] =
    ["", " ", "../../etc/passwd", "a\0b", "a\nb", "\u{202e}x y", "\u{1b}[2J", "$(id);`id`|id"];
/// The same of a query and a path, as it is sent.
const HOSTILE_SENT: [&str; 8] =
    ["", "%00", "..%2F..%2Fetc", "%ff%fe", "-1", "99999999999999999999", "a%0Ab", "%1b%5b2J"];
/// Fields without a bound of their own: the body is theirs.
const UNBOUNDED: [(&str, &str); 1] = [("/sandboxes/{id}/files", "content")];

/// One field, or parameter.
struct Field {
    name: String,
    /// Types of JSON that it may have.
    kinds: BTreeSet<String>,
    is_required: bool,
}

impl Field {
    fn takes(&self, kind: &str) -> bool {
        self.kinds.contains(kind)
    }

    /// Values that are not of its type, or hold what is not.
    fn of_another_type(&self) -> Vec<Value> {
        let mut values = vec![json!([{"a": [null]}]), json!({"a": 1})];
        let others: [(&str, &[Value]); 4] = [
            ("string", &[json!("text"), json!("1\0")]),
            ("number", &[json!(1.5), json!(1e300)]),
            ("boolean", &[json!(true)]),
            ("null", &[Value::Null]),
        ];
        for (kind, of_it) in others {
            if !self.takes(kind) {
                values.extend_from_slice(of_it);
            }
        }
        if !self.takes("number") && !self.takes("integer") {
            values.extend([json!(5), json!(-1)]);
        }
        values
    }

    /// Values of its type that are too long.
    fn too_long(&self) -> Vec<Value> {
        let mut values = Vec::new();
        if self.takes("string") {
            values.push(json!("x".repeat(LONG_BYTES)));
        }
        if self.takes("array") {
            values.extend([json!(vec!["x"; MANY]), json!(vec![json!({"container": 80}); MANY])]);
        }
        if self.takes("object") {
            let many: serde_json::Map<_, _> = (0..MANY).map(|n| (format!("k{n}"), json!("v"))).collect();
            values.extend([Value::from(many), json!({"a": "x".repeat(LONG_BYTES)})]);
        }
        values
    }

    fn hostile(&self) -> Vec<Value> {
        let mut values = Vec::new();
        if self.takes("string") {
            values.extend(HOSTILE.map(Value::from));
        }
        if self.takes("number") || self.takes("integer") {
            values.extend([json!(0), json!(-1), json!(u32::MAX), json!(u64::MAX), json!(i64::MIN)]);
        }
        if self.takes("array") {
            values.extend(HOSTILE.map(|text| json!([text])));
            values.extend([json!([]), json!([{"container": 0}]), json!([{"container": 70_000, "host": -1}])]);
        }
        if self.takes("object") {
            values.extend(HOSTILE.map(|text| json!({ text: text })));
            values.extend([json!({"min": 5, "max": 1}), json!({"command": ["a\0"], "retries": 0})]);
        }
        values
    }
}

/// Whether an answer that refuses a request names this field, or a part of it.
fn is_of(name: &str, field: &str) -> bool {
    name.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

struct World {
    document: Value,
    server: Server,
    admin: Client,
    things: Things,
}

impl World {
    async fn new() -> Self {
        let document = serde_json::to_value(atoll_http::openapi()).unwrap();
        let (server, admin) = crate::public_sessions::server().await;
        let things = Things::of_admin(&admin, &server, "account").await;
        Self { document, server, admin, things }
    }

    fn operation(&self, route: &Route) -> &Value {
        &self.document["paths"][route.path][route.method.as_str().to_lowercase()]
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => schema,
        }
    }

    fn kinds(&self, schema: &Value) -> BTreeSet<String> {
        let schema = self.resolved(schema);
        let alternatives = ["oneOf", "anyOf", "allOf"].iter().filter_map(|one| schema[*one].as_array());
        let mut kinds: BTreeSet<String> = alternatives.flatten().flat_map(|one| self.kinds(one)).collect();
        match &schema["type"] {
            Value::String(kind) => drop(kinds.insert(kind.clone())),
            Value::Array(all) => kinds.extend(all.iter().filter_map(Value::as_str).map(str::to_owned)),
            _ => {}
        }
        assert!(!kinds.is_empty(), "of no type: {schema}");
        kinds
    }

    /// Fields of the body of JSON, where it takes one.
    fn fields(&self, route: &Route) -> Option<Vec<Field>> {
        let schema = &self.operation(route)["requestBody"]["content"]["application/json"]["schema"];
        let schema = (!schema.is_null()).then(|| self.resolved(schema))?;
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema["properties"].as_object().unwrap();
        Some(properties.iter().map(|(name, schema)| self.field(name, schema, &required)).collect())
    }

    fn field(&self, name: &str, schema: &Value, required: &[&str]) -> Field {
        let is_required = required.contains(&name);
        Field { name: name.to_owned(), kinds: self.kinds(schema), is_required }
    }

    /// Parameters of the query.
    fn parameters(&self, route: &Route) -> Vec<Field> {
        let all = self.operation(route)["parameters"].as_array();
        let queries = all.into_iter().flatten().filter(|one| one["in"] == "query");
        queries.map(|one| self.field(one["name"].as_str().unwrap(), &one["schema"], &[])).collect()
    }

    /// The path of a route, without a query that the table gives it.
    fn path(&self, route: &Route) -> String {
        self.things.path(route).split('?').next().unwrap().to_owned()
    }

    /// The answer, where the request is not taken.
    async fn refusal(&self, request: RequestBuilder, what: &str) -> Option<Answer> {
        let response = tokio::time::timeout(AT_ONCE, request.send()).await.ok()?.unwrap();
        let status = response.status().as_u16();
        if status < 400 {
            return None;
        }
        let answer = Answer::of(response).await;
        assert!(status < 500, "{what}: {answer:?}");
        let bytes = answer.body.to_string().len();
        assert!(bytes < ANSWER_BYTES_MAX, "{what}: an answer of {bytes} bytes");
        assert!(!answer.message().contains(char::is_control), "{what}: {answer:?}");
        Some(answer)
    }

    fn request(&self, route: &Route, body: &Value) -> RequestBuilder {
        let request = self.admin.request(route.method.clone(), &self.path(route));
        request.header("content-type", "application/json").body(body.to_string())
    }

    /// What is wrong where it is not refused with the name of the field, and of no other.
    async fn unlike_refused(&self, route: &Route, field: &str, body: &Value) -> Option<String> {
        let shown: String = body.to_string().chars().take(200).collect();
        let what = format!("{} {} {field} in {shown}", route.method, route.path);
        let Some(answer) = self.refusal(self.request(route, body), &what).await else {
            return Some(format!("{what}: is taken"));
        };
        let named = answer.fields();
        let is_named = !named.is_empty() && named.iter().all(|name| is_of(name, field));
        let is_refused = (answer.status, answer.code()) == (400, "invalid_request");
        (!is_named || !is_refused).then(|| format!("{what}: {} {}", answer.status, answer.body))
    }

    /// Everything that there is, as lists show it.
    async fn all(&self) -> Vec<Value> {
        let mut lists = Vec::new();
        for route in table().iter().filter(|route| route.method == "GET" && !is_socket(route.path)) {
            let is_list = self.operation(route)["parameters"].to_string().contains("\"cursor\"");
            if is_list && route.path != "/audit" {
                lists.push(self.admin.get(&self.path(route)).await.body);
            }
        }
        for path in [format!("/environments/{}", self.things.environment), "/auth/me".to_owned()] {
            lists.push(self.admin.get(&path).await.data().clone());
        }
        lists.push(self.admin.get(&format!("/admin/quotas/{}", self.things.account)).await.data().clone());
        lists
    }
}

/// A body that is right.
fn right(route: &Route) -> Value {
    match (&route.body, route.path) {
        (_, "/images") => json!({"reference": "registry.example/app:1"}),
        (_, "/sandboxes/{id}/exec") => json!({"command": "true", "async": true}),
        (Some(body), _) => body.clone(),
        (None, _) => json!({}),
    }
}

fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}

#[tokio::test]
async fn every_field_that_is_of_another_type_or_missing_is_named_and_nothing_is_made() {
    let world = World::new().await;
    let before = world.all().await;
    assert!(before.len() > 15, "{} lists", before.len());
    let (mut tried, mut wrong) = (0, Vec::new());
    for route in table() {
        let Some(fields) = world.fields(&route) else { continue };
        let right = right(&route);
        for field in fields {
            for value in field.of_another_type() {
                let body = with(&right, &field.name, value);
                wrong.extend(world.unlike_refused(&route, &field.name, &body).await);
            }
            if field.is_required {
                let mut without = right.clone();
                without.as_object_mut().unwrap().remove(&field.name);
                wrong.extend(world.unlike_refused(&route, &field.name, &without).await);
            }
            tried += 1;
        }
        let unknown = with(&right, "nonsense", json!(1));
        wrong.extend(world.unlike_refused(&route, "nonsense", &unknown).await);
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(tried > 120, "only {tried} fields were tried");
    assert_eq!(world.all().await, before);
    assert_eq!(world.server.agents.started().len(), 2, "its exec and its job");
}

#[tokio::test]
async fn every_field_has_a_bound() {
    let world = World::new().await;
    let before = world.all().await;
    let mut wrong = Vec::new();
    for route in table() {
        for field in world.fields(&route).into_iter().flatten() {
            if UNBOUNDED.contains(&(route.path, field.name.as_str())) {
                continue;
            }
            for value in field.too_long() {
                let body = with(&right(&route), &field.name, value);
                wrong.extend(world.unlike_refused(&route, &field.name, &body).await);
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(world.all().await, before);
}

#[tokio::test]
async fn what_is_hostile_in_a_field_is_refused_by_its_name_or_does_no_harm() {
    let world = World::new().await;
    for route in table() {
        for field in world.fields(&route).into_iter().flatten() {
            for value in field.hostile() {
                let body = with(&right(&route), &field.name, value);
                let what = format!("{} {} {body}", route.method, route.path);
                let Some(answer) = world.refusal(world.request(&route, &body), &what).await else { continue };
                if answer.code() == "invalid_request" {
                    let named = answer.fields();
                    assert!(named.iter().any(|name| is_of(name, &field.name)), "{what}: {answer:?}");
                }
            }
        }
    }
    assert_eq!(world.admin.get("/health").await.status, 200);
}

#[tokio::test]
async fn what_is_hostile_in_a_query_is_refused_by_its_name_or_does_no_harm() {
    let world = World::new().await;
    let long = "x".repeat(5_000);
    let mut tried = 0;
    for route in table().into_iter().filter(|route| !is_socket(route.path)) {
        let parameters = world.parameters(&route);
        let send = |query: &str| {
            let path = format!("{}?{query}", world.path(&route));
            let request = world.admin.request(route.method.clone(), &path);
            if world.fields(&route).is_some() { request.json(&right(&route)) } else { request }
        };
        for parameter in &parameters {
            let name = &parameter.name;
            for value in HOSTILE_SENT.into_iter().chain([long.as_str()]) {
                let what = format!("{} {} {name}={value:.40}", route.method, route.path);
                let answer = world.refusal(send(&format!("{name}={value}")), &what).await;
                let named = answer.as_ref().map(Answer::fields).unwrap_or_default();
                let is_named = || named.iter().any(|one| is_of(one.trim_start_matches("query."), name));
                let is_number = parameter.takes("integer") || parameter.takes("boolean");
                // No number is written like any of these but the empty one, which is none at all.
                if is_number && !value.is_empty() && value != "-1" {
                    assert!(is_named(), "{what}: {answer:?}");
                }
                if let Some(answer) = answer.as_ref().filter(|answer| answer.code() == "invalid_request") {
                    // Or another one, which must be there, was not, or the body, of which there is none here.
                    let is_missing = |words| answer.message().ends_with(words);
                    let is_other =
                        is_missing("is required") || is_missing("must be given") || named.contains(&"body");
                    assert!(is_named() || is_other, "{what}: {answer:?}");
                }
            }
            tried += 1;
        }
        if !parameters.is_empty() {
            let what = format!("{} {} nonsense", route.method, route.path);
            let answer = world.refusal(send("nonsense=1"), &what).await;
            let answer = answer.unwrap_or_else(|| panic!("{what}: is taken"));
            assert!(answer.fields().contains(&"query.nonsense"), "{what}: {answer:?}");
        }
    }
    assert!(tried > 70, "only {tried} parameters were tried");
}

/// A request for a WebSocket, of a client that reads what answers it.
fn upgrade(client: &Client, path: &str) -> RequestBuilder {
    let words = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    words
        .into_iter()
        .fold(client.request(Method::GET, path), |request, (name, value)| request.header(name, value))
}

/// What a stream says first, where it refuses; one that is open may have nothing to say. One that is malformed may not be opened at all:
/// then it is the answer that names the field.
async fn told(world: &World, path: &str, patience: Duration) -> Option<Value> {
    let bearer = format!("Bearer {}", world.admin.token.as_ref().unwrap());
    let mut stream = match handshake(&world.server, path, &[("authorization", &bearer)]).await {
        Ok(stream) => stream,
        Err(status) => {
            assert!([400, 404].contains(&status), "{path}: {status}");
            let refused = world.refusal(upgrade(&world.admin, path), path).await;
            return refused.map(|answer| answer.body["error"].clone());
        }
    };
    let first = tokio::time::timeout(patience, stream.next()).await.ok()?.ok()?;
    first["error"].is_object().then(|| first["error"].clone())
}

#[tokio::test]
async fn what_is_hostile_in_the_query_of_a_stream_is_told_on_it_by_its_name() {
    let world = World::new().await;
    let long = "x".repeat(5_000);
    let mut tried = 0;
    for route in table().into_iter().filter(|route| is_socket(route.path)) {
        for parameter in world.parameters(&route).iter().filter(|one| one.name != "token") {
            let (name, path) = (&parameter.name, world.things.path(&route));
            let is_number = parameter.takes("integer") || parameter.takes("boolean");
            for value in HOSTILE_SENT.into_iter().chain([long.as_str()]) {
                let what = format!("{} {name}={value:.40}", route.path);
                let sent = match path.split_once('?') {
                    Some((path, only)) if only.starts_with(name.as_str()) => format!("{path}?{name}={value}"),
                    Some(_) => format!("{path}&{name}={value}"),
                    None => format!("{path}?{name}={value}"),
                };
                let must_tell = is_number && !value.is_empty() && value != "-1";
                let patience = if must_tell { Duration::from_secs(20) } else { Duration::from_millis(100) };
                let error = told(&world, &sent, patience).await;
                let named = error.as_ref().and_then(|error| error["details"][0]["field"].as_str());
                let is_named = named.is_some_and(|one| is_of(one.trim_start_matches("query."), name));
                assert!(is_named || !must_tell, "{what}: {error:?}");
                let is_wrong = error.as_ref().is_some_and(|error| error["code"] == "invalid_request");
                assert!(is_named || !is_wrong, "{what}: {error:?}");
                assert!(error.is_none_or(|error| error["code"] != "internal"), "{what}");
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} parameters were tried");
    assert_eq!(world.admin.get("/health").await.status, 200);
}

#[tokio::test]
async fn what_is_hostile_in_a_path_names_nothing() {
    let world = World::new().await;
    let before = world.all().await;
    let long = "x".repeat(5_000);
    for route in table() {
        let segments: Vec<&str> = route.path.split('/').collect();
        let parts =
            segments.iter().enumerate().filter(|(_, part)| part.starts_with('{') && **part != "{path}");
        for (at, _) in parts {
            for value in HOSTILE_SENT.into_iter().skip(1).chain([long.as_str(), "A23456789012"]) {
                let path = world.path(&route);
                let mut sent: Vec<&str> = path.split('/').collect();
                sent[at] = value;
                let sent = sent.join("/");
                let what = format!("{} {sent:.100}", route.method);
                let request = world.admin.request(route.method.clone(), &sent);
                let takes_json = world.fields(&route).is_some();
                let request = if takes_json { request.json(&right(&route)) } else { request };
                let answer = world.refusal(request, &what).await;
                let answer = answer.unwrap_or_else(|| panic!("{what}: is taken"));
                let code = answer.code();
                let is_none = code.ends_with("_not_found") || ["unsupported_media_type"].contains(&code);
                assert!(is_none || is_socket(route.path), "{what}: {answer:?}");
            }
        }
    }
    assert_eq!(world.all().await, before);
}
