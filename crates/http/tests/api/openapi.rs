//! The document.

use serde_json::Value;

use crate::kit::Server;

fn document() -> Value {
    serde_json::to_value(atoll_http::openapi()).unwrap()
}

fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a str)) {
    match value {
        Value::Object(map) => {
            if let Some(target) = map.get("$ref").and_then(Value::as_str) {
                visit(target);
            }
            map.values().for_each(|value| walk(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = 0;
    walk(&document, &mut |target| {
        references += 1;
        let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads outside"));
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    });
    assert!(references > 50, "{references}");
}

#[test]
fn it_is_openapi_3_1_and_each_operation_has_its_own_name_and_answers() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(!path.contains('*'), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with(['1', '2'])), "{method} {path}");
            assert!(path.starts_with("/health") || answers.contains_key("4XX"), "{method} {path}");
            for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let mut declared = operation["parameters"].as_array().into_iter().flatten();
                assert!(
                    declared.any(|p| p["name"] == parameter && p["in"] == "path"),
                    "{method} {path} {parameter}"
                );
            }
        }
    }
}

/// The committed copy is what reviewers and clients see. `UPDATE=1` writes it anew.
#[test]
fn the_committed_document_is_this_one() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/atoll.json");
    let now = atoll_http::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == now,
        "openapi/atoll.json is old; run: UPDATE=1 cargo nextest run -p atoll-http committed_document"
    );
}

/// Addresses that a page's markup or style asks a browser for.
fn loads(text: &str) -> impl Iterator<Item = &str> {
    let starts = ["src=\"", "href=\"", "url(", "spec-url=\"", "@import \"", "url: \""];
    starts.into_iter().flat_map(move |start| {
        text.split(start).skip(1).filter_map(|rest| rest.split(['"', ')', ' ']).next())
    })
}

/// What a policy lets a browser load: this host, what the page holds itself, and nothing by a name.
fn is_of_this_host(policy: &str) -> bool {
    let mut sources = policy.split(';').flat_map(|rule| rule.split_whitespace().skip(1));
    policy.starts_with("default-src 'self';")
        && sources.all(|source| ["'self'", "'none'", "'unsafe-inline'", "data:"].contains(&source))
}

#[tokio::test]
async fn it_is_served_with_pages_that_load_nothing_from_elsewhere() {
    let server = Server::start().await;
    let client = server.anonymous();
    assert_eq!(client.get("/openapi.json").await.body, document());
    let swagger = ["/docs/", "/docs/index.html", "/docs/swagger-initializer.js", "/docs/swagger-ui.css"];
    for path in swagger.into_iter().chain(["/redoc", "/redoc/"]) {
        let page = client.http.get(format!("{}{path}", client.base)).send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        assert!(is_of_this_host(page.headers()["content-security-policy"].to_str().unwrap()), "{path}");
        let text = page.text().await.unwrap();
        let elsewhere: Vec<_> = loads(&text)
            .filter(|load| load.contains("//") && !load.starts_with("data:") && !load.starts_with("'data:"))
            .collect();
        assert!(elsewhere.is_empty(), "{path} loads {elsewhere:?}");
    }
    client.get("/docs/nothing.js").await.is(404, "route_not_found");
}

#[tokio::test]
async fn what_the_pages_name_is_there() {
    let server = Server::start().await;
    let client = server.anonymous();
    for path in ["/docs/", "/redoc", "/redoc/"] {
        let text =
            client.http.get(format!("{}{path}", client.base)).send().await.unwrap().text().await.unwrap();
        let base = reqwest::Url::parse(&format!("{}{path}", client.base)).unwrap();
        let mut programs = 0;
        for load in loads(&text).filter(|load| !load.starts_with("data:")) {
            let answer = client.http.get(base.join(load).unwrap()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path} {load}");
            assert!(is_of_this_host(answer.headers()["content-security-policy"].to_str().unwrap()), "{load}");
            programs +=
                usize::from(answer.headers()["content-type"].to_str().unwrap().contains("javascript"));
        }
        assert!(programs > 0, "{path}");
    }
}

#[test]
fn it_lists_every_error_code() {
    let document = document();
    let listed = document["components"]["schemas"]["ErrorCode"]["enum"].as_array().unwrap().clone();
    let codes: Vec<_> = atoll_types::ErrorCode::ALL.iter().map(|code| Value::from(code.as_str())).collect();
    assert_eq!(listed, codes);
    let of_failures = &document["components"]["schemas"]["FailureBody"]["properties"]["code"];
    assert_eq!(of_failures["$ref"], "#/components/schemas/ErrorCode");
}

/// Every schema below a value, with where it stands.
fn schemas<'a>(place: &str, value: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(place, value);
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| schemas(&format!("{place}/{key}"), value, visit))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| schemas(&format!("{place}/{at}"), value, visit));
        }
        _ => {}
    }
}

#[test]
fn no_schema_asks_for_two_types_at_once() {
    let document = document();
    schemas("", &document, &mut |place, value| {
        let types = value["allOf"].as_array().into_iter().flatten().filter_map(|part| part["type"].as_str());
        let types: std::collections::BTreeSet<_> = types.collect();
        assert!(types.len() < 2, "{place} is to be {types:?}");
    });
}

#[test]
fn control_messages_of_terminals_are_as_the_document_says() {
    use atoll_api_types::{FailureBody, TerminalControl as Control};
    let error = FailureBody {
        code: "internal".into(),
        message: String::new(),
        details: None,
        trace_id: String::new(),
    };
    let hello = Control::Attached {
        terminal: "main".into(),
        generation: 1,
        cols: 1,
        rows: 1,
        offset: 0,
        end: 0,
        made: true,
    };
    let document = document();
    let variants = document["components"]["schemas"]["TerminalControl"]["oneOf"].as_array().unwrap();
    for control in [
        hello,
        Control::Gap { offset: 1 },
        Control::Resized { cols: 1, rows: 1 },
        Control::Limited { retry_after_seconds: 3 },
        Control::Exit { exit_code: 3 },
        Control::Failed { error },
    ] {
        let said = serde_json::to_value(control).unwrap();
        let schema = variants.iter().find(|v| v["properties"]["type"]["enum"][0] == said["type"]).unwrap();
        let documented: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(said.as_object().unwrap().keys().collect::<Vec<_>>(), documented, "{said}");
    }
}
