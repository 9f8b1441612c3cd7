//! Health checks, and waiting for what they tell.

use std::time::Duration;

use atoll_testkit::Script;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, Server};

/// `well` passes; every other check fails and says why.
fn check(command: &str) -> Value {
    json!({"command": [command], "intervalSeconds": 5, "timeoutSeconds": 2, "retries": 2, "startPeriodSeconds": 1})
}

async fn server() -> Server {
    let server = Server::start().await;
    server.agents.script(|start| match start.argv.first().map(String::as_str) {
        Some("well") => Some(Script::new()),
        Some("ill") => Some(Script::new().stderr("no answer\n").exit(7)),
        _ => None,
    });
    server
}

/// The answer to a request that waits, while time passes.
async fn in_time(server: &Server, request: impl Future<Output = Answer>) -> Answer {
    let passes = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            server.clock.advance(Duration::from_secs(1));
        }
    };
    tokio::select! {
        answer = request => answer,
        () = passes => unreachable!("time never ends"),
    }
}

/// What a create, asked to wait, is refused with; the sandbox is kept.
async fn not_healthy(server: &Server, user: &Client, body: Value) -> (Value, String) {
    let answer = in_time(server, user.post("/sandboxes", body)).await;
    assert_eq!((answer.status, answer.code()), (409, "sandbox_not_healthy"), "{answer:?}");
    let id = answer.body["error"]["details"]["sandboxIds"][0].as_str().unwrap().to_owned();
    let shown = user.get(&format!("/sandboxes/{id}")).await;
    (shown.data().clone(), answer.body["error"]["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_health_check_is_shown_and_waited_for() {
    let server = server().await;
    let user = server.user("a").await;
    let made = user.post("/sandboxes", json!({"healthCheck": check("well"), "waitFor": "healthy"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.data();
    assert_eq!((&made["health"], &made["healthCheck"]), (&json!("healthy"), &check("well")));
    let result = &made["healthResult"];
    assert_eq!((&result["exitCode"], &result["failingStreak"]), (&json!(0), &json!(0)));

    let plain = user.post("/sandboxes", json!({})).await;
    assert_eq!((&plain.data()["health"], &plain.data()["healthCheck"]), (&json!("none"), &Value::Null));

    let body = json!({"healthCheck": check("ill"), "waitFor": "healthy", "waitSeconds": 300});
    let (shown, message) = not_healthy(&server, &user, body).await;
    assert!(message.contains("no answer"), "{message}");
    assert_eq!((&shown["state"], &shown["health"]), (&json!("running"), &json!("unhealthy")));
    assert_eq!(shown["healthResult"]["failingStreak"], 2);
    assert_eq!(shown["healthResult"]["output"], "no answer\n");

    let slow = json!({"command": ["ill"], "startPeriodSeconds": 3600});
    let body = json!({"healthCheck": slow, "waitFor": "healthy", "waitSeconds": 2});
    let (shown, message) = not_healthy(&server, &user, body).await;
    assert!(message.contains("within 2 s"), "{message}");
    assert_eq!(shown["health"], "starting");
    assert_eq!(shown["healthCheck"]["intervalSeconds"], 30);
}

#[tokio::test]
async fn a_start_waits_too() {
    let server = server().await;
    let user = server.user("a").await;
    let id = user.post("/sandboxes", json!({"healthCheck": check("well")})).await.data()["id"].clone();
    let path = format!("/sandboxes/{}", id.as_str().unwrap());
    user.act(&format!("{path}/stop")).await.data();
    assert_eq!(user.get(&path).await.data()["health"], "none");
    let started = user.act(&format!("{path}/start?waitFor=healthy&waitSeconds=20")).await;
    assert_eq!(started.data()["health"], "healthy");

    let plain = user.sandbox().await;
    for query in ["waitFor=healthy", "waitFor=ready", "waitSeconds=3", "waitFor=healthy&waitSeconds=301"] {
        let refused = user.act(&format!("/sandboxes/{plain}/start?{query}")).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{query}: {refused:?}");
    }
}

#[tokio::test]
async fn an_environment_has_one_which_a_sandbox_may_refuse() {
    let server = server().await;
    let user = server.user("a").await;
    let (path, id) = user.environment(json!({"name": "web", "healthCheck": check("well")})).await;
    assert_eq!(user.get(&path).await.data()["healthCheck"], check("well"));
    let made = user.post("/sandboxes", json!({"environmentId": id, "waitFor": "healthy"})).await;
    assert_eq!(made.data()["health"], "healthy");
    let none = json!({"environmentId": id, "healthCheck": {"command": []}});
    assert_eq!(user.post("/sandboxes", none).await.data()["health"], "none");
}

#[tokio::test]
async fn what_is_wrong_with_one_is_said() {
    let server = server().await;
    let user = server.user("a").await;
    let with = |field: &str, value: Value| {
        let mut check = check("well");
        check[field] = value;
        json!({ "healthCheck": check })
    };
    for (body, field) in [
        (with("intervalSeconds", json!(0)), "healthCheck.intervalSeconds"),
        (with("timeoutSeconds", json!(3_601)), "healthCheck.timeoutSeconds"),
        (with("retries", json!(0)), "healthCheck.retries"),
        (with("startPeriodSeconds", json!(3_601)), "healthCheck.startPeriodSeconds"),
        (with("command", json!("")), "healthCheck.command"),
        (with("command", json!("x".repeat(4_097))), "healthCheck.command"),
        (with("other", json!(1)), "healthCheck.other"),
        (json!({"waitFor": "healthy"}), "waitFor"),
        (json!({"waitFor": "healthy", "healthCheck": {"command": []}}), "waitFor"),
        (json!({"waitFor": "running", "healthCheck": check("well")}), "waitFor"),
        (json!({"waitSeconds": 5}), "waitSeconds"),
        (json!({"waitSeconds": 0, "waitFor": "healthy", "healthCheck": check("well")}), "waitSeconds"),
    ] {
        let refused = user.post("/sandboxes", body.clone()).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{body}");
        let details = refused.body["error"]["details"].to_string();
        assert!(details.contains(&format!("\"{field}\"")), "{body}: {details}");
    }
    assert_eq!(user.get("/sandboxes").await.body["data"], json!([]));
}

#[tokio::test]
async fn a_repeated_create_that_was_not_healthy_makes_no_second_one() {
    let server = server().await;
    let user = server.user("a").await;
    let body = json!({"healthCheck": check("ill"), "waitFor": "healthy", "waitSeconds": 1});
    let create =
        || user.request(reqwest::Method::POST, "/sandboxes").header("Idempotency-Key", "k").json(&body);
    let first = in_time(&server, user.send(create())).await;
    assert_eq!(first.code(), "sandbox_not_healthy");
    let again = in_time(&server, user.send(create())).await;
    assert_eq!(again.code(), "idempotency_interrupted");
    assert_eq!(user.get("/sandboxes").await.body["data"].as_array().unwrap().len(), 1);
}
