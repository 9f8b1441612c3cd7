//! `docs/compatibility.md`: what became of every route of the five documents that Atoll is the union of. Which routes
//! they name is a committed list; whether a route is here is asked of the OpenAPI document and of the server, so the
//! table cannot say what is not so.

use std::fmt::Write as _;

use serde_json::Value;

use crate::kit::Server;

const LIST: &str = include_str!("documented_routes.txt");
const HEAD: &str = "# Compatibility

Atoll is the union of five earlier systems. This is every route that their documents name, and what answers it here, host,
port and program name aside. `same`: the same method and path. `instead`: another route takes its place. `later`: not
offered yet, answered `route_not_found`. A `WS` is a `GET` that becomes a WebSocket. Tokens go where the documents put
them: `Authorization: Bearer`, `X-API-Key`, and for a WebSocket also `?token=` or the subprotocol `bearer.<token>`.

The toolkata Sandbox API describes sessions over a WebSocket, and names no route of them; those are listed that Atoll has. The Agent Sandbox is used by its
command `sbx`; its routes are those that its streaming shows.

This page is made by a test from the list of those routes and from the OpenAPI document; after a new route, run
`UPDATE=1 cargo nextest run -p atoll-http compatibility`.
";

/// A route as a document names it.
struct Route<'a> {
    method: &'a str,
    path: &'a str,
    instead: Option<&'a str>,
    is_page: bool,
    remark: &'a str,
}

/// One line of the list: `METHOD path | at METHOD path | page | remark`, all but the first as needed.
fn route(line: &str) -> Route<'_> {
    let mut parts = line.split(" | ");
    let (method, path) =
        parts.next().and_then(|name| name.split_once(' ')).unwrap_or_else(|| panic!("{line}"));
    let mut route = Route { method, path, instead: None, is_page: false, remark: "" };
    for part in parts {
        match part.strip_prefix("at ") {
            Some(instead) => route.instead = Some(instead),
            None if part == "page" => route.is_page = true,
            None => route.remark = part,
        }
    }
    route
}

/// The path with every parameter written alike: documents write `:id`, `{id}` and `<id>`.
fn shape(path: &str) -> String {
    let part = |part: &str| if part.starts_with([':', '{', '<']) { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn is_documented(document: &Value, method: &str, path: &str) -> bool {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().filter(|(ours, _)| shape(ours) == shape(path)).any(|(_, item)| match method {
        "ALL" => true,
        "WS" => item["get"]["responses"].get("101").is_some(),
        method => item.get(method.to_lowercase()).is_some(),
    })
}

async fn is_served(server: &Server, path: &str) -> bool {
    let client = server.anonymous();
    let answer = client.http.get(format!("{}{path}", client.base)).send().await.unwrap();
    answer.status() != 404
}

/// The second column and the third: what answers here.
async fn row(server: &Server, document: &Value, route: &Route<'_>) -> String {
    if let Some(instead) = route.instead {
        let (method, path) = instead.split_once(' ').unwrap();
        assert!(is_documented(document, method, path), "{instead} is to take a place, and is not there");
        return format!("instead: `{instead}`");
    }
    let is_here = if route.is_page {
        is_served(server, route.path).await
    } else {
        is_documented(document, route.method, route.path)
    };
    if is_here { "same" } else { "later" }.to_owned()
}

async fn page(server: &Server, document: &Value) -> (String, usize) {
    let mut page = HEAD.to_owned();
    let mut routes = 0;
    for line in LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            write!(page, "\n## {name}\n\n| route | Atoll | remark |\n| --- | --- | --- |\n").unwrap();
            continue;
        }
        let route = route(line);
        let answers = row(server, document, &route).await;
        writeln!(page, "| `{} {}` | {answers} | {} |", route.method, route.path, route.remark).unwrap();
        routes += 1;
    }
    (page, routes)
}

/// The committed page is what people read. `UPDATE=1` writes it anew.
#[tokio::test]
async fn the_table_of_compatibility_says_what_is_here() {
    let server = Server::start().await;
    let document = serde_json::to_value(atoll_http::openapi()).unwrap();
    let (page, routes) = page(&server, &document).await;
    assert_eq!(routes, 74, "the five documents have this many routes, with those of sessions");
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == page,
        "docs/compatibility.md is old; run: UPDATE=1 cargo nextest run -p atoll-http compatibility"
    );
}

/// What the table calls ours answers something else than that there is no such route, and what it calls later does not.
#[tokio::test]
async fn the_server_agrees_with_the_table() {
    let server = Server::start().await;
    let document = serde_json::to_value(atoll_http::openapi()).unwrap();
    let user = server.user("a").await;
    for line in LIST.lines().filter(|line| line.contains(" /")) {
        let route = route(line);
        if route.instead.is_some() {
            continue;
        }
        let method = match route.method {
            "WS" | "ALL" => "GET",
            method => method,
        };
        let request = user.request(method.parse().unwrap(), &shape(route.path).replace("{}", "none"));
        let answer = request.send().await.unwrap();
        let text = answer.text().await.unwrap();
        let is_here = !["route_not_found", "method_not_allowed"].iter().any(|code| text.contains(code));
        let is_said = row(&server, &document, &route).await == "same";
        assert_eq!(is_here, is_said, "{line}: {text}");
    }
}

#[test]
fn a_route_that_is_not_here_is_not_called_ours() {
    let document = serde_json::to_value(atoll_http::openapi()).unwrap();
    assert!(is_documented(&document, "GET", "/sandboxes/:id"));
    assert!(is_documented(&document, "WS", "/sandboxes/<id>/stream"));
    assert!(!is_documented(&document, "WS", "/sandboxes/:id"));
    assert!(!is_documented(&document, "PUT", "/sandboxes/:id"));
    assert!(!is_documented(&document, "GET", "/projects"));
}
