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

#[tokio::test]
async fn it_is_served_with_a_page_that_loads_nothing_from_elsewhere() {
    let server = Server::start().await;
    let client = server.anonymous();
    assert_eq!(client.get("/openapi.json").await.body, document());
    for path in ["/docs/", "/docs/index.html", "/docs/swagger-initializer.js", "/docs/swagger-ui.css"] {
        let page = client.http.get(format!("{}{path}", client.base)).send().await.unwrap();
        assert_eq!(page.status(), 200, "{path}");
        assert!(
            page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'self'")
        );
        let text = page.text().await.unwrap();
        let loads = ["src=\"http", "href=\"http", "url(http"];
        assert!(!loads.iter().any(|load| text.contains(load)), "{path}");
    }
    client.get("/docs/nothing.js").await.is(404, "route_not_found");
}
