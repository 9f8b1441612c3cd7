//! Creates that come again.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, Server};

impl Client {
    async fn keyed(&self, path: &str, key: &str, body: Value) -> Answer {
        let request = self.request(Method::POST, path).header("Idempotency-Key", key);
        self.send(request.json(&body)).await
    }
}

async fn count(user: &Client, path: &str) -> usize {
    user.get(path).await.data().as_array().unwrap().len()
}

#[tokio::test]
async fn every_create_is_carried_out_once() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    let (environment, _) = user.environment(json!({"name": "e"})).await;
    let jobs = format!("/sandboxes/{sandbox}/background");
    let creates = [
        ("/sandboxes".to_owned(), json!({"name": "x"}), "/sandboxes"),
        (format!("/sandboxes/{sandbox}/replicate"), json!({}), "/sandboxes"),
        (jobs.clone(), json!({"command": "sleep 60"}), jobs.as_str()),
        ("/environments".to_owned(), json!({"name": "y"}), "/environments"),
        (format!("{environment}/secrets"), json!({"key": "A", "value": "b"}), "/environments"),
        ("/api-keys".to_owned(), json!({"name": "k"}), "/api-keys"),
    ];
    for (n, (path, body, list)) in creates.into_iter().enumerate() {
        let key = format!("key-{n}");
        let first = user.keyed(&path, &key, body.clone()).await;
        assert_eq!((first.status, first.headers.get("idempotency-replayed")), (201, None), "{first:?}");
        let has = count(&user, list).await;
        let again = user.keyed(&path, &key, body.clone()).await;
        assert_eq!((again.status, &again.body), (201, &first.body), "{path}");
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(count(&user, list).await, has, "{path}");
        let other = user.keyed(&path, &key, json!({"other": 1})).await;
        other.is(422, "idempotency_mismatch");
    }
    // A key is for one thing, on one route.
    user.keyed("/environments", "key-0", json!({"name": "x"})).await.is(422, "idempotency_mismatch");
    let new = user.keyed("/sandboxes", "another", json!({"name": "x"})).await;
    assert_eq!((new.status, new.headers.get("idempotency-replayed")), (201, None));
    // Another user's keys are others.
    let other = server.user("b").await;
    let theirs = other.keyed("/sandboxes", "key-0", json!({"name": "x"})).await;
    assert_eq!((theirs.status, theirs.headers.get("idempotency-replayed")), (201, None));
}

#[tokio::test]
async fn what_was_refused_may_be_asked_again_under_its_key() {
    let server = Server::start().await;
    let user = server.user("a").await;
    user.keyed("/sandboxes", "k", json!({"cpu": -1})).await.is(400, "invalid_request");
    assert_eq!(user.keyed("/sandboxes", "k", json!({})).await.status, 201);
    for key in ["", "a b", &"x".repeat(256)] {
        let refused = user.keyed("/sandboxes", key, json!({})).await;
        refused.is(400, "invalid_request");
        assert_eq!(refused.fields(), ["Idempotency-Key"]);
    }
    assert_eq!(count(&user, "/sandboxes").await, 1);
    // Where it means nothing it does nothing.
    let exec = format!("/sandboxes/{}/keepalive", user.sandbox().await);
    assert_eq!(user.keyed(&exec, "k", json!({})).await.status, 200);
}

#[tokio::test]
async fn two_at_once_make_one() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let gate = atoll_testkit::Gate::closed();
    server.store.faults().nth_of("environment_insert", 1, atoll_testkit::Fault::Wait(gate.clone()));
    let body = || json!({"name": "once"});
    let first = user.keyed("/environments", "k", body());
    let second = async {
        while server.store.faults().count("environment_insert") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answer = user.keyed("/environments", "k", body()).await;
        gate.open();
        answer
    };
    let both = async { tokio::join!(first, second) };
    let (first, second) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    second.is(409, "idempotency_in_progress");
    assert_eq!(second.headers["retry-after"], "1");
    assert_eq!(first.status, 201);
    assert_eq!(count(&user, "/environments").await, 1);
}

#[tokio::test]
async fn one_that_was_cut_off_is_not_made_again() {
    use atoll_ports::{IdempotencyStore as _, Store as _};

    let server = Server::start().await;
    let user = server.user("a").await;
    let email = "a@example.com".parse().unwrap();
    let owner = server.store.user_by_email(&email).await.unwrap().unwrap().id;
    // As serve leaves it that dies after the note.
    let made = user.keyed("/sandboxes", "k", json!({"name": "x"})).await;
    assert_eq!(made.status, 201);
    let probe = atoll_ports::IdempotencyRecord {
        owner: owner.clone(),
        key: "k".parse().unwrap(),
        request: [0; 32],
        answer: None,
        created_at: atoll_types::Timestamp::from_unix_ms(i64::MAX / 2),
    };
    let noted = server.store.idempotency_begin(&probe).await.unwrap().unwrap();
    server.store.idempotency_remove(&owner, &probe.key).await.unwrap();
    server.store.idempotency_begin(&noted).await.unwrap();
    let again = user.keyed("/sandboxes", "k", json!({"name": "x"})).await;
    again.is(409, "idempotency_interrupted");
    assert_eq!(count(&user, "/sandboxes").await, 1);
}
