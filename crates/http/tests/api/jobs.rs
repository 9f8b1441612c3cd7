//! Background jobs.

use std::time::Duration;

use atoll_testkit::Script;
use serde_json::{Value, json};

use crate::kit::{Client, Server};

/// Asks until the job is in this state.
async fn job_is(user: &Client, path: &str, status: &str) -> Value {
    for _ in 0..500 {
        let answer = user.get(path).await;
        if answer.data()["status"] == status {
            return answer.data().clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {status}: {:?}", user.get(path).await)
}

#[tokio::test]
async fn a_job_is_made_shown_and_ended() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let path = format!("/sandboxes/{sandbox}/background");
    let body = json!({
        "command": ["sleep", "100"], "name": "web", "restart": "on-failure", "maxRetries": 3, "backoffMs": 200,
        "backoffMaxMs": 5000, "env": {"A": "b"}, "cwd": "/tmp", "user": "root", "timeoutSeconds": 60,
    });
    let made = user.post(&path, body).await;
    assert_eq!((made.status, &made.data()["status"]), (201, &json!("running")));
    let id = made.data()["id"].as_str().unwrap();
    let one = format!("{path}/{id}");
    let shown = user.get(&one).await;
    let shown = shown.data();
    assert_eq!((&shown["name"], &shown["command"]), (&json!("web"), &json!(["sleep", "100"])));
    assert_eq!((&shown["restart"], &shown["maxRetries"]), (&json!("on-failure"), &json!(3)));
    assert_eq!((&shown["backoffMs"], &shown["backoffMaxMs"]), (&json!(200), &json!(5000)));
    assert_eq!((&shown["starts"], &shown["retries"]), (&json!(1), &json!(0)));
    assert_eq!((&shown["lastExit"], &shown["nextStart"]), (&Value::Null, &Value::Null));
    assert_eq!(shown["execIds"], json!([shown["execId"]]));

    // Its run is an exec as any other, begun as the request says.
    let exec = format!("/sandboxes/{sandbox}/execs/{}", shown["execId"].as_str().unwrap());
    for _ in 0..500 {
        if user.get(&exec).await.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(user.get(&exec).await.data()["status"], "running");
    let (_, start) = server.agents.started().pop().unwrap();
    assert_eq!((start.argv, start.user.as_str()), (vec!["sleep".to_owned(), "100".to_owned()], "root"));
    assert_eq!((start.cwd.unwrap().as_str(), start.timeout), ("/tmp", Some(Duration::from_secs(60))));
    assert!(start.env.contains(&("A".to_owned(), "b".to_owned())));

    let gone = user.delete(&one).await;
    assert_eq!(gone.data(), &json!({"id": id, "deleted": true}));
    user.get(&one).await.is(404, "job_not_found");
    user.delete(&one).await.is(404, "job_not_found");
    user.get(&format!("{one}/logs")).await.is(404, "job_not_found");
    assert_eq!(user.get(&exec).await.data()["exitCode"], 143, "what ran stays readable");
    assert_eq!(user.get(&path).await.data(), &json!([]));
}

#[tokio::test]
async fn the_end_of_a_job_and_what_it_wrote_are_shown() {
    let server = Server::start().await;
    server.agents.script(|start| {
        (start.argv == ["work"]).then(|| Script::new().stdout("one\ntwo\n").stderr("three").exit(7))
    });
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let path = format!("/sandboxes/{sandbox}/background");
    let made = user.post(&path, json!({"command": ["work"]})).await;
    let one = format!("{path}/{}", made.data()["id"].as_str().unwrap());
    let shown = job_is(&user, &one, "failed").await;
    assert_eq!(shown["restart"], "never");
    let exit = &shown["lastExit"];
    assert_eq!(
        (&exit["status"], &exit["exitCode"], &exit["execId"]),
        (&json!("exited"), &json!(7), &shown["execId"])
    );
    assert!(exit["finishedAt"].is_string());
    let logs = user.get(&format!("{one}/logs")).await;
    let lines: Vec<_> = logs.data()["lines"].as_array().unwrap().iter().map(|l| l["line"].clone()).collect();
    assert_eq!(
        (lines, &logs.data()["truncated"]),
        (vec![json!("one"), json!("two"), json!("three")], &json!(false))
    );
    let tail = user.get(&format!("{one}/logs?tail=1")).await;
    assert_eq!(
        (&tail.data()["lines"][0]["line"], &tail.data()["truncated"]),
        (&json!("three"), &json!(true))
    );

    let waits = user.post(&path, json!({"command": "false", "restart": "always"})).await;
    let waits = job_is(&user, &format!("{path}/{}", waits.data()["id"].as_str().unwrap()), "backoff").await;
    assert!(waits["nextStart"].is_string() && waits["lastExit"]["exitCode"] == 1, "{waits}");
}

#[tokio::test]
async fn jobs_are_listed_in_pages_and_counted() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let (sandbox, other) = (user.sandbox().await, user.sandbox().await);
    let path = format!("/sandboxes/{sandbox}/background");
    for _ in 0..64 {
        assert_eq!(user.post(&path, json!({"command": "sleep 100"})).await.status, 201);
    }
    let refused = user.post(&path, json!({"command": "sleep 100"})).await;
    refused.is(429, "too_many_jobs");
    assert_eq!(refused.headers["retry-after"], "1");
    let elsewhere = user.post(&format!("/sandboxes/{other}/background"), json!({"command": "true"})).await;
    assert_eq!(elsewhere.status, 201);
    let (mut seen, mut cursor) = (std::collections::BTreeSet::new(), String::new());
    loop {
        let page = user.get(&format!("{path}?limit=20{cursor}")).await;
        seen.extend(page.data().as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 64);
    let id = seen.first().unwrap();
    user.get(&format!("/sandboxes/{other}/background/{id}")).await.is(404, "job_not_found");
    user.delete(&format!("{path}/{id}")).await.data();
    assert_eq!(user.post(&path, json!({"command": "true"})).await.status, 201, "there is room again");
}

#[tokio::test]
async fn waits_that_contradict_each_other_and_sandboxes_that_are_down_are_refused() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let path = format!("/sandboxes/{sandbox}/background");
    let wrong = user.post(&path, json!({"command": "true", "backoffMs": 3000, "backoffMaxMs": 2000})).await;
    assert_eq!((wrong.status, wrong.fields()), (400, vec!["backoffMaxMs"]));
    let policy = user.post(&path, json!({"command": "true", "restart": "sometimes"})).await;
    assert_eq!(policy.message(), "restart: must be 'never' or 'on-failure' or 'always'");
    let long = user.post(&path, json!({"command": "true", "backoffMs": 120_000})).await;
    assert_eq!(long.data()["backoffMaxMs"], 120_000);
    user.act(&format!("/sandboxes/{sandbox}/stop")).await.data();
    user.post(&path, json!({"command": "true"})).await.is(409, "sandbox_not_running");
    user.post("/sandboxes/0000000000aa/background", json!({"command": "true"}))
        .await
        .is(404, "sandbox_not_found");
}
