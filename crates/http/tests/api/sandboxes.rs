//! Sandboxes from their making to their end.

use std::time::Duration;

use atoll_ports::Usage;
use serde_json::{Value, json};

use crate::kit::{Client, Server};

#[tokio::test]
async fn a_sandbox_lives() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let body = json!({
        "name": "build", "image": "host", "cpu": 0.5, "memory": 256, "disk": 100, "pids": 64, "network": "none",
        "runtime": "native", "env": {"A": "1"}, "command": ["sleep", "9"], "user": "agent", "capabilities": "none",
        "readOnlyRoot": true, "labels": {"team": "x"}, "ttlSeconds": 3_600, "onExpiry": "stop", "idleTtlSeconds": 60,
    });
    let made = user.post("/sandboxes", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let shown = made.data();
    let id = shown["id"].as_str().unwrap();
    assert_eq!(
        (&shown["state"], &shown["cpu"], &shown["memoryBytes"]),
        (&json!("running"), &json!(0.5), &json!(256 << 20))
    );
    assert_eq!(
        (&shown["diskBytes"], &shown["pids"], &shown["env"]),
        (&json!(100 << 20), &json!(64), &json!({"A": "1"}))
    );
    assert_eq!((&shown["command"], &shown["onExpiry"]), (&json!(["sleep", "9"]), &json!("stop")));
    assert!(shown["expiresAt"].is_string());

    let got = user.get(&format!("/sandboxes/{id}")).await;
    assert_eq!(got.data()["name"], "build");
    for (action, state) in
        [("stop", "stopped"), ("start", "running"), ("restart", "running"), ("keepalive", "running")]
    {
        let answer = user.act(&format!("/sandboxes/{id}/{action}")).await;
        assert_eq!(answer.data()["state"], state, "{action}");
    }
    assert_eq!(user.delete(&format!("/sandboxes/{id}")).await.data(), &json!({"id": id, "deleted": true}));
    user.get(&format!("/sandboxes/{id}")).await.is(404, "sandbox_not_found");
}

#[tokio::test]
async fn a_paused_sandbox_says_so_and_takes_no_commands() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let id = user.sandbox().await;
    let exec = user.sleeper(&id).await;
    let path = format!("/sandboxes/{id}");
    for _ in 0..2 {
        assert_eq!(user.act(&format!("{path}/pause")).await.data()["state"], "paused");
    }
    assert_eq!(user.get(&path).await.data()["state"], "paused");
    assert_eq!(user.get("/sandboxes?state=paused").await.data()[0]["id"], json!(id));
    for body in [json!({"command": "true"}), json!({"command": "true", "async": true})] {
        user.post(&format!("{path}/exec"), body).await.is(409, "sandbox_paused");
    }
    let stdin = user.post(&format!("{path}/execs/{exec}/stdin"), json!({"data": "x"})).await;
    stdin.is(409, "sandbox_paused");
    let signal = user.post(&format!("{path}/execs/{exec}/signal"), json!({"signal": "TERM"})).await;
    signal.is(409, "sandbox_paused");
    for action in ["start", "keepalive"] {
        user.act(&format!("{path}/{action}")).await.is(409, "sandbox_paused");
    }
    for _ in 0..2 {
        assert_eq!(user.act(&format!("{path}/resume")).await.data()["state"], "running");
    }
    user.post(&format!("{path}/exec"), json!({"command": "true"})).await.data();
    user.act(&format!("{path}/stop")).await.data();
    for action in ["pause", "resume"] {
        user.act(&format!("{path}/{action}")).await.is(409, "sandbox_not_running");
    }
}

#[tokio::test]
async fn a_look_at_one_costs_no_query_and_a_page_of_all_one() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let id = user.sandbox().await;
    let store = server.store.faults();
    let calls_of = async |path: &str| {
        store.reset_calls();
        user.get(path).await.data();
        store.calls()
    };
    let one = format!("/sandboxes/{id}");
    // Who asks is held for a moment: then the log-in and the account are looked up by their ids.
    assert_eq!(calls_of(&one).await, Vec::<&str>::new());
    assert_eq!(calls_of("/sandboxes?limit=10").await, ["sandbox_list"]);
    let key = user.post("/api-keys", json!({"name": "k"})).await;
    let key = user.with_token(key.data()["key"].as_str().unwrap());
    key.get(&one).await.data();
    store.reset_calls();
    key.get(&one).await.data();
    assert_eq!(store.calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn metrics_have_the_documented_shape() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let made = user.post("/sandboxes", json!({"cpu": 1, "memory": 256, "pids": 64})).await;
    let id = made.data()["id"].as_str().unwrap().to_owned();
    let usage = Usage {
        memory_bytes: 52_428_800,
        pids: 3,
        rx_bytes: 1_024,
        tx_bytes: 512,
        rx_packets: 10,
        tx_packets: 5,
        read_bytes: 4_096,
        write_bytes: 2_048,
        ..Usage::default()
    };
    server.runtime.set_usage(&id.parse().unwrap(), usage);
    let look = async |query: &str| {
        let path = format!("/sandboxes/{id}/metrics{query}");
        let mut asked = std::pin::pin!(user.get(&path));
        loop {
            // A look waits for a window on the server's clock.
            match tokio::time::timeout(Duration::from_millis(20), &mut asked).await {
                Ok(answer) => return answer,
                Err(_) => server.clock.advance(Duration::from_millis(50)),
            }
        }
    };
    let mut expected = json!({
        "cpu": {"usagePercent": 0.0, "systemPercent": 0.0, "cores": 1.0},
        "memory": {"usageBytes": 52_428_800, "limitBytes": 268_435_456, "usagePercent": 19.5},
        "network": {"rxBytes": 1_024, "txBytes": 512, "rxPackets": 10, "txPackets": 5},
        "io": {"readBytes": 4_096, "writeBytes": 2_048},
    });
    assert_eq!(look("").await.data(), &expected);
    expected["pids"] = json!({"current": 3, "limit": 64});
    assert_eq!(look("?pids=true").await.data(), &expected);
    look("?pids=many").await.is(400, "invalid_request");
    user.act(&format!("/sandboxes/{id}/stop")).await.data();
    look("").await.is(409, "sandbox_not_running");
}

#[tokio::test]
async fn no_body_at_all_makes_the_usual_sandbox() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let made = user.act("/sandboxes").await;
    assert_eq!((made.status, &made.data()["image"]), (201, &json!("host")));
}

#[tokio::test]
async fn count_makes_a_list_and_pages_show_it() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let made = user.post("/sandboxes", json!({"count": 3, "labels": {"batch": "1"}})).await;
    assert_eq!(made.data().as_array().unwrap().len(), 3);
    user.sandbox().await;

    let all = user.get("/sandboxes").await;
    assert_eq!((all.data().as_array().unwrap().len(), &all.body["nextCursor"]), (4, &json!(null)));
    let labelled = user.get("/sandboxes?label=batch%3D1&state=running").await;
    assert_eq!(labelled.data().as_array().unwrap().len(), 3);
    assert_eq!(user.get("/sandboxes?label=batch%3D1&label=no%3D1").await.data(), &json!([]));
    assert_eq!(user.get("/sandboxes?state=stopped").await.data(), &json!([]));

    let first = user.get("/sandboxes?limit=3").await;
    let cursor = first.body["nextCursor"].as_str().unwrap();
    let second = user.get(&format!("/sandboxes?limit=3&cursor={cursor}")).await;
    assert_eq!((first.data().as_array().unwrap().len(), second.data().as_array().unwrap().len()), (3, 1));
    assert_eq!(second.body["nextCursor"], json!(null));
}

#[tokio::test]
async fn the_main_process_has_a_log() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let made = user.post("/sandboxes", json!({"command": ["echo", "hello"]})).await;
    let path = format!("/sandboxes/{}/logs", made.data()["id"].as_str().unwrap());
    let mut lines = json!([]);
    for _ in 0..100 {
        lines = user.get(&format!("{path}?tail=10&since=1h")).await.data()["lines"].clone();
        if lines != json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The kit's clock stands still in the past, so `since=1h` shows nothing while a plain look does.
    let plain = user.get(&path).await;
    assert!(lines != json!([]) || plain.data()["lines"][0]["line"] == "hello", "{plain:?}");
}

#[tokio::test]
async fn a_full_quota_says_when_to_try_again() {
    let server = Server::start().await;
    let user = server.user("a").await;
    user.post("/sandboxes", json!({"count": 20})).await.data();
    let refused = user.post("/sandboxes", json!({})).await;
    refused.is(429, "quota_exceeded");
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn ports_are_published_and_shown() {
    let server = Server::start().await;
    let user = server.user("a").await;
    server.host_ports.take(5_432);
    let asked = json!([{"container": 80, "host": 8_080}, {"container": 443, "host": 443}, {"container": 5_432, "host": 5_432},
        {"container": 22}, {"container": 25, "host": 0}]);
    let made = user.post("/sandboxes", json!({"ports": asked})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let ports = &made.data()["ports"];
    assert_eq!(ports[0], json!({"container": 80, "host": 8_080}));
    let note = "port 443 is root's, as all below 1024, and the server is not root";
    assert_eq!(ports[1], json!({"container": 443, "host": 40_000, "requestedHost": 443, "note": note}));
    let note = "port 5432 was taken";
    assert_eq!(ports[2], json!({"container": 5_432, "host": 40_001, "requestedHost": 5_432, "note": note}));
    assert_eq!(ports[3], json!({"container": 22, "host": 40_002}));
    assert_eq!(ports[4], json!({"container": 25, "host": 40_003}));
    let id = made.data()["id"].as_str().unwrap();
    assert_eq!(&user.get(&format!("/sandboxes/{id}")).await.data()["ports"], ports);
    assert_eq!(&user.get("/sandboxes").await.data()[0]["ports"], ports);
    user.delete(&format!("/sandboxes/{id}")).await;
    assert!(server.host_ports.open().is_empty());
    assert_eq!(user.act("/sandboxes").await.data()["ports"], json!([]));
}

#[tokio::test]
async fn wrong_ports_are_named() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let many: Vec<_> = (1..=17).map(|port| json!({"container": port})).collect();
    for (ports, field) in [
        (json!([{"container": 0}]), "ports[0].container"),
        (json!([{"container": 80}, {"container": 65_536}]), "ports[1].container"),
        (json!([{"container": -1}]), "ports[0].container"),
        (json!([{"container": "80"}]), "ports[0].container"),
        (json!([{"host": 80}]), "ports[0].container"),
        (json!([{"container": 80, "host": 65_536}]), "ports[0].host"),
        (json!([{"container": 80}, {"container": 80}]), "ports[1].container"),
        (json!([{"container": 80, "host": 8_080}, {"container": 81, "host": 8_080}]), "ports[1].host"),
        (json!([{"container": 80, "protocol": "udp"}]), "ports[0].protocol"),
        (json!(many), "ports"),
        (json!({"80": 80}), "ports"),
    ] {
        let answer = user.post("/sandboxes", json!({"ports": ports})).await;
        assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{}", answer.body);
    }
    // Any free one, several times.
    let made = user
        .post("/sandboxes", json!({"ports": [{"container": 1, "host": 0}, {"container": 2, "host": 0}]}))
        .await;
    assert_eq!(made.status, 201);
}

#[tokio::test]
async fn many_are_stopped_and_deleted_by_their_labels() {
    let server = Server::start().await;
    let (user, other) = (server.user("a").await, server.user("b").await);
    let make = async |client: &Client, labels: Value| {
        let made = client.post("/sandboxes", json!({"labels": labels})).await;
        made.data()["id"].as_str().unwrap().to_owned()
    };
    let one = make(&user, json!({"team": "a", "kind": "x"})).await;
    let two = make(&user, json!({"team": "a"})).await;
    let kept = make(&user, json!({"team": "b"})).await;
    let foreign = make(&other, json!({"team": "a"})).await;
    let state = async |client: &Client, id: &str| {
        client.get(&format!("/sandboxes/{id}")).await.body["data"]["state"].clone()
    };

    let both = user.act("/sandboxes/stop?label=team%3Da&label=kind%3Dx").await;
    assert_eq!(both.data(), &json!({"ids": [one], "failed": []}));
    assert_eq!((state(&user, &one).await, state(&user, &two).await), (json!("stopped"), json!("running")));
    let gone = user.delete("/sandboxes?label=team%3Da").await;
    let mut ids: Vec<_> = gone.data()["ids"].as_array().unwrap().clone();
    ids.sort_by_key(ToString::to_string);
    let mut expected = vec![json!(one), json!(two)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(ids, expected);
    assert_eq!(user.delete("/sandboxes?label=team%3Da").await.data(), &json!({"ids": [], "failed": []}));
    for client in [&user, &other] {
        client.delete("/sandboxes").await.is(400, "invalid_request");
        client.act("/sandboxes/stop").await.is(400, "invalid_request");
        client.delete("/sandboxes?label=team").await.is(400, "invalid_request");
    }
    assert_eq!(
        (state(&user, &kept).await, state(&other, &foreign).await),
        (json!("running"), json!("running"))
    );
}

#[tokio::test]
async fn gpus_are_a_word_a_number_or_ids_and_not_for_every_runtime() {
    let server = Server::start().await;
    let user = server.user("a").await;
    for gpus in [json!("all"), json!(1), json!(["0"]), json!(["GPU-3a23c669", "1:0"])] {
        let refused = user.post("/sandboxes", json!({"gpus": gpus})).await;
        refused.is(400, "invalid_request");
        assert_eq!(refused.fields(), ["gpus"], "{gpus}");
        let message = refused.body["error"]["message"].to_string();
        assert!(message.contains("with the runtime 'native'"), "{message}");
    }
    for gpus in
        [json!("some"), json!(0), json!(65), json!([]), json!(["all"]), json!(["0", "0"]), json!(true)]
    {
        let refused = user.post("/sandboxes", json!({"gpus": gpus, "runtime": "docker"})).await;
        refused.is(400, "invalid_request");
        assert_eq!(refused.fields(), ["gpus"], "{gpus}");
    }
    let made = user.post("/sandboxes", json!({"gpus": "none"})).await;
    assert_eq!(made.data()["gpus"], "none");
}
