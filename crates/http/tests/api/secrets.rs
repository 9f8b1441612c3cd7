//! Secrets: set, named, in processes, and nowhere else.

use serde_json::json;

use crate::kit::Server;

const VALUE: &str = "super-secret-value";

#[tokio::test]
async fn a_secret_is_in_every_process_and_in_no_answer() {
    let server = Server::start().await;
    server.agents.script(|start| (start.argv == ["serve"]).then(|| atoll_testkit::Script::new().hold()));
    let user = server.user("a").await;
    let body = json!({"name": "web", "env": {"API_KEY": "placeholder", "A": "1"}, "command": ["serve"]});
    let (path, id) = user.environment(body).await;
    let secrets = format!("{path}/secrets");
    let set = user.post(&secrets, json!({"key": "API_KEY", "value": VALUE})).await;
    assert_eq!((set.status, &set.data()["key"]), (201, &json!("API_KEY")));
    user.post(&secrets, json!({"key": "OTHER", "value": "b"})).await.data();
    let again = user.post(&secrets, json!({"key": "OTHER", "value": "c"})).await;
    assert_eq!(again.status, 201);
    let listed = user.get(&secrets).await;
    let names: Vec<_> = listed.data().as_array().unwrap().iter().map(|s| s["key"].clone()).collect();
    assert_eq!(names, ["API_KEY", "OTHER"]);

    let made = user.post("/sandboxes", json!({"environmentId": id})).await;
    let sandbox = format!("/sandboxes/{}", made.data()["id"].as_str().unwrap());
    user.post(&format!("{sandbox}/exec"), json!({"command": "true"})).await.data();
    user.post(&format!("{sandbox}/background"), json!({"command": "sleep 60"})).await.data();
    let own = json!({"command": "true", "env": {"API_KEY": "mine"}});
    user.post(&format!("{sandbox}/exec"), own).await.data();
    let mut given = Vec::new();
    for _ in 0..500 {
        given = server.agents.started();
        if given.len() == 4 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(given.len(), 4, "main process, job and two commands");
    for (_, start) in &given {
        let of = |name: &str| {
            let all: Vec<_> =
                start.env.iter().filter(|(key, _)| key == name).map(|(_, v)| v.as_str()).collect();
            assert_eq!(all.len(), 1, "{name} once: {:?}", start.argv);
            all[0]
        };
        let mine = start.env.contains(&("API_KEY".to_owned(), "mine".to_owned()));
        assert_eq!(of("API_KEY"), if mine { "mine" } else { VALUE });
        assert_eq!((of("OTHER"), of("A")), ("c", "1"));
    }

    let plain = user.sandbox().await;
    user.post(&format!("/sandboxes/{plain}/exec"), json!({"command": "true"})).await.data();
    let (_, start) = server.agents.started().pop().unwrap();
    assert!(!start.env.iter().any(|(name, _)| name == "API_KEY"), "it is not of the environment");

    let execs = user.get(&format!("{sandbox}/execs")).await;
    let jobs = user.get(&format!("{sandbox}/background")).await;
    for answer in [&set, &listed, &made, &execs, &jobs, &user.get(&sandbox).await, &user.get(&path).await] {
        assert!(!answer.body.to_string().contains(VALUE), "{answer:?}");
    }

    assert_eq!(user.delete(&format!("{secrets}/API_KEY")).await.data()["deleted"], true);
    user.delete(&format!("{secrets}/API_KEY")).await.is(404, "secret_not_found");
    user.delete(&format!("{secrets}/a-b")).await.is(404, "secret_not_found");
    user.post(&format!("{sandbox}/exec"), json!({"command": "true"})).await.data();
    let (_, start) = server.agents.started().pop().unwrap();
    assert!(start.env.contains(&("API_KEY".to_owned(), "placeholder".to_owned())));
}

#[tokio::test]
async fn a_wrong_secret_is_refused_without_being_repeated() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let (path, _) = user.environment(json!({"name": "web"})).await;
    let secrets = format!("{path}/secrets");
    for key in ["", "1A", "A B", "A=B", "A-B", &"A".repeat(129)] {
        let refused = user.post(&secrets, json!({"key": key, "value": VALUE})).await;
        refused.is(400, "invalid_request");
        assert!(refused.fields() == ["key"] && !refused.body.to_string().contains(VALUE), "{refused:?}");
    }
    for value in [format!("{VALUE}\0"), VALUE.repeat(2_000)] {
        let refused = user.post(&secrets, json!({"key": "A", "value": value})).await;
        refused.is(400, "invalid_request");
        assert!(refused.fields() == ["value"] && !refused.body.to_string().contains(VALUE), "{refused:?}");
    }
    assert_eq!(user.post(&secrets, json!({"key": "A"})).await.fields(), ["value"]);
    for n in 0..100 {
        assert_eq!(user.post(&secrets, json!({"key": format!("K{n}"), "value": ""})).await.status, 201);
    }
    user.post(&secrets, json!({"key": "MORE", "value": ""})).await.is(429, "quota_exceeded");
    assert_eq!(user.post(&secrets, json!({"key": "K7", "value": "x"})).await.status, 201);
}

#[tokio::test]
async fn only_an_admin_rotates_the_master_key() {
    let server = Server::start().await;
    let admin = server.user("admin").await;
    let user = server.user("a").await;
    user.act("/admin/master-key/rotate").await.is(403, "forbidden");
    let rotated = admin.act("/admin/master-key/rotate").await;
    assert_eq!((&rotated.data()["resealed"], &rotated.data()["unreadable"]), (&json!(0), &json!(0)));
}
