//! Environments, and sandboxes of them.

use atoll_testkit::Script;
use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, Server};

/// A main process of these sandboxes goes on.
fn serves(server: &Server) {
    let serves = |argv: &[String]| argv.iter().any(|word| word == "serve");
    server.agents.script(move |start| serves(&start.argv).then(|| Script::new().hold()));
}

impl Client {
    /// Makes the next version.
    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// A new environment's path and id.
    pub(crate) async fn environment(&self, body: Value) -> (String, String) {
        let made = self.post("/environments", body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.data()["id"].as_str().unwrap().to_owned();
        (format!("/environments/{id}"), id)
    }
}

#[tokio::test]
async fn versions_are_made_shown_and_compared() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let body = json!({
        "name": "nginx-demo", "image": "nginx:alpine", "cpu": 1, "memory": 256, "disk": 512, "pids": 64,
        "openFiles": 2048, "network": "all", "ports": [{"container": 80, "host": 8080}],
        "env": {"NGINX_HOST": "localhost"}, "entrypoint": ["/entry", "-x"], "command": ["serve"],
        "cwd": "/srv", "user": "root", "capabilities": "none", "readOnlyRoot": true, "labels": {"team": "a"},
        "runtime": "native", "ttlSeconds": 60, "onExpiry": "stop", "idleTtlSeconds": 0, "gpus": ["0", "GPU-1a"],
    });
    let (path, id) = user.environment(body.clone()).await;
    let shown = user.get(&path).await;
    let shown = shown.data();
    assert_eq!((&shown["id"], &shown["version"]), (&json!(id), &json!(1)));
    for (field, value) in body.as_object().unwrap() {
        let same = shown[field] == *value || shown[field].as_f64() == value.as_f64() && value.is_number();
        assert!(same, "{field}: {} is not {value}", shown[field]);
    }

    let next = json!({"image": "nginx:alpine", "cpu": 0.5, "env": {"NGINX_HOST": "b", "X": ""}});
    let updated = user.put(&path, next).await;
    assert_eq!(updated.status, 200, "{updated:?}");
    let updated = updated.data();
    assert_eq!((&updated["version"], &updated["name"]), (&json!(2), &json!("nginx-demo")));
    assert_eq!(updated["memory"], Value::Null, "the next version is what the body says, whole");
    assert_eq!(user.get(&format!("{path}/versions/1")).await.data()["memory"], 256);

    let listed = user.get(&format!("{path}/versions?limit=1")).await;
    assert_eq!(listed.data()[0]["version"], 2);
    let cursor = listed.body["nextCursor"].as_str().unwrap();
    let rest = user.get(&format!("{path}/versions?cursor={cursor}")).await;
    assert_eq!((&rest.data()[0]["version"], rest.data().as_array().unwrap().len()), (&json!(1), 1));

    let diff = user.get(&format!("{path}/versions/diff?from=1&to=2")).await;
    let changes = diff.data()["changes"].as_array().unwrap();
    let change = |field: &str| changes.iter().find(|change| change["field"] == field).unwrap().clone();
    assert_eq!(change("cpu"), json!({"field": "cpu", "from": 1.0, "to": 0.5}));
    assert_eq!(change("env.X"), json!({"field": "env.X", "from": null, "to": ""}));
    assert_eq!(change("memory"), json!({"field": "memory", "from": 256, "to": null}));
    assert!(!changes.iter().any(|change| change["field"] == "image"));
    assert_eq!(user.get(&format!("{path}/versions/diff")).await.data(), diff.data());

    for missing in ["versions/3", "versions/0", "versions/x", "versions/diff?to=3", "versions/99999999999"] {
        user.get(&format!("{path}/{missing}")).await.is(404, "environment_version_not_found");
    }
    let renamed = user.put(&path, json!({"name": "other"})).await;
    assert_eq!((&renamed.data()["name"], &renamed.data()["version"]), (&json!("other"), &json!(3)));
    assert_eq!(user.get("/environments").await.data()[0]["name"], "other");

    assert_eq!(user.delete(&path).await.data(), &json!({"id": id, "deleted": true}));
    user.get(&path).await.is(404, "environment_not_found");
    user.get(&format!("{path}/versions/1")).await.is(404, "environment_not_found");
    user.put(&path, json!({})).await.is(404, "environment_not_found");
    user.delete(&path).await.is(404, "environment_not_found");
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let (path, _) = user.environment(json!({"name": "a"})).await;
    let wrong = json!({
        "name": " a", "image": "..", "runtime": "vm", "cpu": 0, "memory": 1, "disk": 1, "pids": 1,
        "openFiles": 4, "network": "some", "env": {"": "x"}, "entrypoint": [""], "command": [""],
        "cwd": "srv", "user": "-x", "capabilities": "all", "labels": {"a b": "c"}, "ttlSeconds": 0,
        "onExpiry": "burn", "idleTtlSeconds": 1_u64 << 40, "ports": [{"container": 0}],
    });
    let fields: Vec<_> = wrong.as_object().unwrap().keys().cloned().collect();
    for answer in [user.post("/environments", wrong.clone()).await, user.put(&path, wrong).await] {
        answer.is(400, "invalid_request");
        let named = answer.fields();
        for field in &fields {
            assert!(named.iter().any(|name| name.starts_with(field)), "{field} in {named:?}");
        }
    }
    user.post("/environments", json!({})).await.is(400, "invalid_request");
    let unknown = user.post("/environments", json!({"name": "a", "count": 2})).await;
    assert_eq!(unknown.fields(), ["count"]);
    assert_eq!(user.put(&path, json!({"environmentId": "x"})).await.fields(), ["environmentId"]);
}

#[tokio::test]
async fn a_sandbox_is_what_its_environment_says_but_for_what_the_request_says() {
    let server = Server::start().await;
    serves(&server);
    let user = server.user("a").await;
    let body = json!({
        "name": "web", "cpu": 0.5, "memory": 128, "openFiles": 2048, "env": {"A": "1", "B": "1"},
        "entrypoint": ["/entry"], "command": ["serve"], "cwd": "/srv", "readOnlyRoot": true,
        "labels": {"team": "a"}, "ttlSeconds": 600, "idleTtlSeconds": 0,
    });
    let (path, id) = user.environment(body).await;
    user.put(&path, json!({"cpu": 2, "env": {"B": "2"}})).await.data();

    let newest = user.post("/sandboxes", json!({"environmentId": id})).await;
    let newest = newest.data();
    assert_eq!((&newest["environmentId"], &newest["environmentVersion"]), (&json!(id), &json!(2)));
    assert_eq!((&newest["cpu"], &newest["readOnlyRoot"]), (&json!(2.0), &json!(false)));

    let request = json!({
        "environmentId": id, "environmentVersion": 1, "name": "one", "memory": 256, "env": {"B": "3"},
        "readOnlyRoot": false, "labels": {"x": "y"},
    });
    let old = user.post("/sandboxes", request).await;
    let old = old.data();
    assert_eq!((&old["environmentVersion"], &old["name"]), (&json!(1), &json!("one")));
    assert_eq!((&old["cpu"], &old["memoryBytes"]), (&json!(0.5), &json!(256 << 20)));
    assert_eq!(
        (&old["env"], &old["labels"]),
        (&json!({"A": "1", "B": "3"}), &json!({"team": "a", "x": "y"}))
    );
    assert_eq!((&old["readOnlyRoot"], &old["openFiles"]), (&json!(false), &json!(2048)));
    assert_eq!((&old["entrypoint"], &old["command"]), (&json!(["/entry"]), &json!(["serve"])));
    assert_eq!((&old["cwd"], &old["ttlSeconds"]), (&json!("/srv"), &json!(600)));
    let (_, main) = server.agents.started().into_iter().find(|(_, start)| start.argv[0] == "/entry").unwrap();
    assert_eq!((main.argv, main.cwd.unwrap().as_str()), (vec!["/entry".into(), "serve".into()], "/srv"));

    let sandbox = format!("/sandboxes/{}", old["id"].as_str().unwrap());
    user.post(&format!("{sandbox}/exec"), json!({"command": "pwd"})).await.data();
    let (_, exec) = server.agents.started().pop().unwrap();
    assert_eq!(exec.cwd.unwrap().as_str(), "/srv", "commands begin where the environment says");

    let of_it = user.get(&format!("/sandboxes?environment={id}")).await;
    assert_eq!(of_it.data().as_array().unwrap().len(), 2);
    user.sandbox().await;
    assert_eq!(user.get(&format!("/sandboxes?environment={id}")).await.data(), of_it.data());
    user.get("/sandboxes?environment=x").await.is(400, "invalid_request");

    user.delete(&path).await.is(409, "environment_in_use");
    for id in [&old["id"], &newest["id"]] {
        user.delete(&format!("/sandboxes/{}", id.as_str().unwrap())).await.data();
    }
    user.delete(&path).await.data();
}

#[tokio::test]
async fn what_is_not_there_or_not_ones_own_makes_no_sandbox() {
    let server = Server::start().await;
    server.user("admin").await;
    let (user, other) = (server.user("a").await, server.user("b").await);
    let (path, id) = user.environment(json!({"name": "web"})).await;
    let unknown = "0000000000000000";
    let create = async |client: &Client, body: Value| client.post("/sandboxes", body).await;
    create(&user, json!({"environmentId": unknown})).await.is(404, "environment_not_found");
    create(&other, json!({"environmentId": id})).await.is(404, "environment_not_found");
    other.put(&path, json!({})).await.is(404, "environment_not_found");
    let version = json!({"environmentId": id, "environmentVersion": 2});
    create(&user, version).await.is(404, "environment_version_not_found");
    let alone = create(&user, json!({"environmentVersion": 1})).await;
    assert_eq!(alone.fields(), ["environmentVersion"]);
    assert_eq!(create(&user, json!({"environmentId": "x"})).await.fields(), ["environmentId"]);
    let (_, no_image) = user.environment(json!({"name": "b", "image": "nowhere:1"})).await;
    create(&user, json!({"environmentId": no_image})).await.is(404, "image_not_found");
    assert_eq!(user.get("/sandboxes").await.data(), &json!([]));
}

#[tokio::test]
async fn a_replica_is_like_the_sandbox_but_for_what_the_request_says() {
    let server = Server::start().await;
    serves(&server);
    let user = server.user("a").await;
    let (_, id) = user.environment(json!({"name": "web", "labels": {"team": "a"}})).await;
    let body = json!({
        "environmentId": id, "name": "first", "cpu": 0.5, "env": {"A": "1", "B": "1"}, "cwd": "/srv",
        "ports": [{"container": 80, "host": 8080}], "command": ["serve"],
    });
    let first = user.post("/sandboxes", body).await;
    let first = first.data();
    let path = format!("/sandboxes/{}/replicate", first["id"].as_str().unwrap());
    let second = user.post(&path, json!({"name": "second", "env": {"B": "2"}, "memory": 64})).await;
    assert_eq!(second.status, 201, "{second:?}");
    let second = second.data();
    for same in ["image", "cpu", "pids", "cwd", "command", "labels", "environmentId", "environmentVersion"] {
        assert_eq!(second[same], first[same], "{same}");
    }
    assert_ne!(second["id"], first["id"]);
    assert_eq!((&second["name"], &second["memoryBytes"]), (&json!("second"), &json!(64 << 20)));
    assert_eq!(second["env"], json!({"A": "1", "B": "2"}));
    // The host's port belongs to the first while that is up.
    assert_eq!(second["ports"][0]["requestedHost"], 8080);
    assert_ne!(second["ports"][0]["host"], first["ports"][0]["host"]);
    let plain = user.act(&path).await;
    assert_eq!((plain.status, &plain.data()["name"]), (201, &Value::Null));
    let other = server.user("b").await;
    other.act(&path).await.is(404, "sandbox_not_found");
}

#[tokio::test]
async fn a_replica_has_the_content_of_the_original_also_when_the_name_stands_for_another() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let import = async |content: &'static str| {
        let request =
            user.request(Method::POST, "/images?name=mine").header("content-type", "application/x-tar");
        user.send(request.body(content)).await.data().clone()
    };
    import("tar one").await;
    let first = user.post("/sandboxes", json!({"image": "mine"})).await;
    let id = first.data()["id"].as_str().unwrap().to_owned();
    import("tar number two").await;
    let replica = user.act(&format!("/sandboxes/{id}/replicate")).await;
    let replica = replica.data()["id"].as_str().unwrap().to_owned();
    let renewed = user.post(&format!("/sandboxes/{id}/replicate"), json!({"image": "mine"})).await;
    let renewed = renewed.data()["id"].as_str().unwrap().to_owned();
    let source = async |id: &str| {
        use atoll_ports::Store;
        server.store.sandbox_get(&id.parse().unwrap()).await.unwrap().unwrap().spec.source
    };
    assert_eq!(source(&replica).await, source(&id).await);
    assert_ne!(source(&renewed).await, source(&id).await);
}

#[tokio::test]
async fn environments_are_listed_in_pages_and_counted() {
    let server = Server::start().await;
    let user = server.user("a").await;
    for n in 0..100 {
        user.environment(json!({"name": format!("e{n}")})).await;
    }
    user.post("/environments", json!({"name": "more"})).await.is(429, "quota_exceeded");
    let page = user.get("/environments?limit=60").await;
    let cursor = page.body["nextCursor"].as_str().unwrap();
    let rest = user.get(&format!("/environments?limit=60&cursor={cursor}")).await;
    assert_eq!((page.data().as_array().unwrap().len(), rest.data().as_array().unwrap().len()), (60, 40));
    assert_eq!(rest.body["nextCursor"], Value::Null);
    user.get("/environments?cursor=x").await.is(400, "invalid_request");
    let other = server.user("b").await;
    assert_eq!(other.get("/environments").await.data(), &json!([]));
}

#[tokio::test]
async fn what_an_image_says_of_itself_counts_where_nothing_else_says() {
    let server = Server::start().await;
    serves(&server);
    let user = server.user("a").await;
    let query = "name=web:1&command=serve&command=-v&entrypoint=/entry&env=A=1&env=B=1=2&cwd=/srv&user=root";
    let import = async |query: &str| {
        let path = format!("/images?{query}");
        let request = user.request(Method::POST, &path).header("content-type", "application/x-tar");
        user.send(request.body("tar")).await
    };
    let image = import(query).await;
    let image = image.data();
    assert_eq!((&image["command"], &image["entrypoint"]), (&json!(["serve", "-v"]), &json!(["/entry"])));
    assert_eq!(image["env"], json!({"A": "1", "B": "1=2"}));
    let (_, id) = user.environment(json!({"name": "web", "image": "web:1", "env": {"A": "2"}})).await;
    let made = user.post("/sandboxes", json!({"environmentId": id})).await;
    let made = made.data();
    assert_eq!((&made["command"], &made["entrypoint"]), (&json!(["serve", "-v"]), &json!(["/entry"])));
    assert_eq!(made["env"], json!({"A": "2", "B": "1=2"}));
    assert_eq!((&made["cwd"], &made["user"]), (&json!("/srv"), &json!("root")));
    let other = user.post("/sandboxes", json!({"image": "web:1", "entrypoint": [], "command": "x"})).await;
    assert_eq!((&other.data()["command"], &other.data()["entrypoint"]), (&json!("x"), &json!([])));

    let wrong = import("name=a&env=A&user=-x&cwd=srv&command=").await;
    wrong.is(400, "invalid_request");
    assert_eq!(wrong.fields(), ["query.env", "command", "cwd", "user"]);
    import("name=a&env=A=1&env=A=2").await.is(400, "invalid_request");
}

#[tokio::test]
async fn a_warm_pool_is_of_an_environment_and_within_bounds() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let (path, _) = user.environment(json!({"name": "web", "warmPool": {"min": 2, "max": 5}})).await;
    assert_eq!(user.get(&path).await.data()["warmPool"], json!({"min": 2, "max": 5}));
    for (given, shown) in
        [(json!(3), json!(3)), (json!({"min": 4, "max": 4}), json!(4)), (json!(0), Value::Null)]
    {
        let updated = user.put(&path, json!({"warmPool": given})).await;
        assert_eq!(updated.data()["warmPool"], shown);
    }
    let diff = user.get(&format!("{path}/versions/diff?from=1&to=2")).await;
    let changes = json!([{"field": "warmPool", "from": {"min": 2, "max": 5}, "to": 3}]);
    assert_eq!(diff.data()["changes"], changes);
    for wrong in
        [json!(17), json!(101), json!(-1), json!("8"), json!({"min": 3, "max": 2}), json!({"min": 1})]
    {
        for answer in [
            user.post("/environments", json!({"name": "web", "warmPool": wrong})).await,
            user.put(&path, json!({"warmPool": wrong})).await,
        ] {
            answer.is(400, "invalid_request");
            assert_eq!(answer.fields(), ["warmPool"], "{wrong}");
        }
    }
    user.post("/sandboxes", json!({"warmPool": 1})).await.is(400, "invalid_request");
}
