//! Images.

use atoll_types::ImageBuilds;
use reqwest::Method;
use serde_json::json;

use crate::kit::{ARCHIVE_BYTES_MAX, Answer, Client, Options, Server};

async fn import(client: &Client, query: &str, body: Vec<u8>) -> Answer {
    let request = client.request(Method::POST, &format!("/images{query}"));
    client.send(request.header("content-type", "application/x-tar").body(body)).await
}

#[tokio::test]
async fn an_image_is_imported_listed_and_deleted() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let made = import(&user, "?name=registry.example.com/team/app:1.2", b"tar of a system".to_vec()).await;
    assert_eq!((made.status, &made.data()["sizeBytes"]), (201, &json!(15)));
    let listed = user.get("/images").await;
    let names: Vec<_> =
        listed.data().as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["host", "registry.example.com/team/app:1.2"]);
    let deleted = user.delete("/images/registry.example.com%2Fteam%2Fapp%3A1.2").await;
    assert_eq!(deleted.data()["deleted"], true);
    user.delete("/images/registry.example.com/team/app:1.2").await.is(404, "image_not_found");
}

#[tokio::test]
async fn a_streamed_archive_needs_no_length() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let request =
        user.request(Method::POST, "/images?name=a").header("content-type", "application/octet-stream");
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(chunks(3)));
    let made = user.send(request.body(body)).await;
    assert_eq!(made.data()["sizeBytes"], json!(3 + 3 * 1_000));
}

fn chunks(n: usize) -> tokio::sync::mpsc::Receiver<Result<Vec<u8>, std::io::Error>> {
    let (tell, told) = tokio::sync::mpsc::channel(n + 1);
    tell.try_send(Ok(b"tar".to_vec())).unwrap();
    for _ in 0..n {
        tell.try_send(Ok(vec![0; 1_000])).unwrap();
    }
    told
}

#[tokio::test]
async fn wrong_archives_and_names_are_refused() {
    let server = Server::start().await;
    let user = server.user("a").await;
    import(&user, "?name=a", b"elf".to_vec()).await.is(422, "invalid_image");
    assert_eq!(import(&user, "?name=a", Vec::new()).await.fields(), ["body"]);
    assert_eq!(import(&user, "", b"tar".to_vec()).await.fields(), ["query.name"]);
    for name in ["", "host", "..%2Fetc", "a%00b", "a%0Ab", "-a", &"a".repeat(300)] {
        let refused = import(&user, &format!("?name={name}"), b"tar".to_vec()).await;
        assert_eq!((refused.status, refused.fields()), (400, vec!["query.name"]), "{name}");
    }
    let text = user.request(Method::POST, "/images?name=a").header("content-type", "text/plain").body("tar");
    user.send(text).await.is(415, "unsupported_media_type");
    assert_eq!(user.get("/images").await.data().as_array().unwrap().len(), 1, "nothing was made");
}

#[tokio::test]
async fn an_archive_has_a_bound_with_and_without_a_length() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let bytes = usize::try_from(ARCHIVE_BYTES_MAX).unwrap() + 1;
    import(&user, "?name=a", vec![b't'; bytes]).await.is(413, "body_too_large");
    let request = user.request(Method::POST, "/images?name=a").header("content-type", "application/x-tar");
    let body =
        reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(chunks(bytes / 1_000 + 1)));
    user.send(request.body(body)).await.is(413, "body_too_large");
}

#[tokio::test]
async fn an_image_of_a_registry_is_pulled_with_one_answer_or_line_by_line() {
    let server = Server::start().await;
    let user = server.user("a").await;
    server.registry.put("a.example/app:1", b"tar of a system");
    let made = user.post("/images", json!({"reference": "a.example/app:1"})).await;
    assert_eq!((made.status, &made.data()["name"]), (201, &json!("a.example/app:1")));
    let asked = json!({"reference": "a.example/app:1", "name": "app"});
    let lines = async |body: &serde_json::Value| {
        let request =
            user.request(Method::POST, "/images?user=root").header("accept", "application/x-ndjson");
        let response = request.json(body).send().await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (200.try_into().unwrap(), &"application/x-ndjson".try_into().unwrap())
        );
        let text = response.text().await.unwrap();
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let told = lines(&asked).await;
    let last = told.last().unwrap();
    assert_eq!(
        (&last["status"], &last["bytes"], &last["image"]["name"]),
        (&json!("done"), &json!(15), &json!("app"))
    );
    assert_eq!(last["image"]["user"], "root");
    let told = lines(&json!({"reference": "a.example/none"})).await;
    let last = told.last().unwrap();
    assert_eq!((&last["status"], &last["error"]["code"]), (&json!("failed"), &json!("image_not_found")));
    assert_eq!(user.get("/images").await.data().as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_wrong_pull_is_refused() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let fields = async |body| {
        user.post("/images", body).await.fields().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(fields(json!({})).await, ["reference"]);
    assert_eq!(fields(json!({"reference": 1})).await, ["reference"]);
    assert_eq!(fields(json!({"reference": "http://a.example/b"})).await, ["reference"]);
    assert_eq!(fields(json!({"reference": "no/registry"})).await, ["reference"]);
    assert_eq!(fields(json!({"reference": "a.example/b", "name": ".."})).await, ["name"]);
    assert_eq!(fields(json!({"reference": "a.example/b", "name": "host"})).await, ["name"]);
    assert_eq!(fields(json!({"reference": "a.example/b", "more": 1})).await, ["more"]);
    let long = format!("a.example/{}:1@sha256:{}", "b".repeat(199), "c".repeat(64));
    assert_eq!(fields(json!({"reference": long})).await, ["name"]);
    user.post("/images", json!({"reference": "a.example/b"})).await.is(404, "image_not_found");
}

#[tokio::test]
async fn an_image_is_pushed_with_one_answer_or_line_by_line() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let import = user
        .request(Method::POST, "/images?name=a.example/team/app:1&command=/bin/a")
        .header("content-type", "application/x-tar");
    user.send(import.body("tar of a system")).await.data();
    let path = "/images/a.example%2Fteam%2Fapp%3A1/push";
    let listed = user.get("/images").await.data()[1].clone();
    assert_eq!((&listed["sharedBytes"], &listed["uniqueBytes"]), (&json!(3), &json!(12)));
    let pushed = user.post(path, json!({})).await;
    assert_eq!((pushed.status, &pushed.data()["reference"]), (200, &json!("a.example/team/app:1")));
    assert_eq!(pushed.data()["manifestDigest"], format!("sha256:{}", "f".repeat(64)));
    let lines = async |path: &str, body: serde_json::Value| {
        let request = user.request(Method::POST, path).header("accept", "application/x-ndjson");
        let text = request.json(&body).send().await.unwrap().text().await.unwrap();
        let last = text.lines().last().unwrap();
        serde_json::from_str::<serde_json::Value>(last).unwrap()
    };
    let last = lines("/images/a.example/team/app:1/push", json!({"reference": "b.example/x"})).await;
    assert_eq!((&last["status"], &last["pushed"]["reference"]), (&json!("done"), &json!("b.example/x")));
    assert_eq!((&last["bytes"], &last["totalBytes"]), (&json!(5), &json!(5)));
    let last = lines("/images/none/push", json!({"reference": "b.example/x"})).await;
    assert_eq!((&last["status"], &last["error"]["code"]), (&json!("failed"), &json!("image_not_found")));
    let sent: Vec<String> = server.registry.pushed().into_iter().map(|(reference, _)| reference).collect();
    assert_eq!(sent, ["a.example/team/app:1", "b.example/x"]);
}

#[tokio::test]
async fn a_wrong_push_is_refused() {
    let server = Server::start().await;
    let user = server.user("a").await;
    let import = user.request(Method::POST, "/images?name=app").header("content-type", "application/x-tar");
    user.send(import.body("tar of a system")).await.data();
    let fields = async |body| {
        user.post("/images/app/push", body).await.fields().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // Its name has no registry.
    assert_eq!(fields(json!({})).await, ["reference"]);
    assert_eq!(fields(json!({"reference": "http://a.example/b"})).await, ["reference"]);
    assert_eq!(fields(json!({"reference": "a.example/b", "more": 1})).await, ["more"]);
    let digest = format!("a.example/b@sha256:{}", "c".repeat(64));
    assert_eq!(fields(json!({"reference": digest})).await, ["reference"]);
    user.post("/images/host/push", json!({"reference": "a.example/b"})).await.is(403, "forbidden");
    // It is listed, so it cannot be said that it is not there.
    user.delete("/images/host").await.is(403, "forbidden");
    user.post("/images/app", json!({})).await.is(404, "route_not_found");
    user.post("/images/push", json!({})).await.is(404, "route_not_found");
    assert_eq!(server.registry.pushed().len(), 0);
}

fn built(client: &Client, query: &str, context: &str) -> reqwest::RequestBuilder {
    let request = client.request(Method::POST, &format!("/images/build?{query}"));
    request.header("content-type", "application/x-tar").body(context.to_owned())
}

#[tokio::test]
async fn an_image_is_built_with_one_answer_or_line_by_line() {
    let server = Server::start().await;
    let admin = server.user("a").await;
    let made = admin.send(built(&admin, "name=app&buildArg=A=b&target=x", "tar of files")).await;
    assert_eq!((made.status, &made.data()["name"]), (201, &json!("app")));
    let lines = async |query: &str| {
        let request = built(&admin, query, "tar of files").header("accept", "application/x-ndjson");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let output = |told: &[serde_json::Value]| {
        told.iter().map(|line| line["output"].as_str().unwrap_or_default()).collect::<String>()
    };
    let told = lines("name=app&buildArg=A=b&target=x").await;
    let last = told.last().unwrap();
    assert_eq!((&last["status"], &last["image"]["name"]), (&json!("done"), &json!("app")));
    assert_eq!(output(&told), "Step 1/1 : {\"A\": \"b\"} Some(\"x\")\n");
    let told = lines("name=app&dockerfile=fails").await;
    let last = told.last().unwrap();
    assert_eq!((&last["status"], &last["error"]["code"]), (&json!("failed"), &json!("build_failed")));
    assert_eq!(output(&told), "Step 1/1 : {} None\n");
    // What it begins with is pulled, and stays.
    let refused = admin.send(built(&admin, "name=app&dockerfile=base", "tar")).await;
    refused.is(404, "image_not_found");
    assert!(refused.message().contains("a.example/base:1"), "{}", refused.message());
    server.registry.put("a.example/base:1", b"tar of a system");
    let told = lines("name=other&dockerfile=base").await;
    assert!(output(&told).starts_with("Pulling a.example/base:1\n"), "{told:?}");
    let listed = admin.get("/images").await;
    let names: Vec<_> = listed.data().as_array().unwrap().iter().map(|image| image["name"].clone()).collect();
    assert_eq!(names, ["host", "a.example/base:1", "app", "other"]);
}

#[tokio::test]
async fn a_wrong_build_is_refused() {
    let server = Server::start().await;
    let admin = server.user("a").await;
    let fields = async |query: &str| {
        let answer = admin.send(built(&admin, query, "tar")).await;
        answer.fields().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (query, field) in [
        ("", "query.name"),
        ("name=..", "query.name"),
        ("name=host", "name"),
        ("name=a&buildArg=x", "query.buildArg"),
        ("name=a&buildArg=1x=y", "query.buildArg"),
        ("name=a&buildArg=x=1&buildArg=x=2", "query.buildArg"),
        ("name=a&network=host", "query.network"),
        ("name=a&dockerfile=", "query.dockerfile"),
        ("name=a&target=%0A", "query.target"),
        ("name=a&privileged=1", "query.privileged"),
    ] {
        assert_eq!(fields(query).await, [field], "{query}");
    }
    assert_eq!(fields("name=a").await, Vec::<String>::new());
    admin.send(built(&admin, "name=a&dockerfile=none", "tar")).await.is(422, "invalid_archive");
    admin.send(built(&admin, "name=a", "")).await.is(400, "invalid_request");
    let large = "t".repeat(usize::try_from(ARCHIVE_BYTES_MAX).unwrap() + 1);
    admin.send(built(&admin, "name=a", &large)).await.is(413, "body_too_large");
    let text =
        admin.request(Method::POST, "/images/build?name=a").header("content-type", "text/plain").body("x");
    admin.send(text).await.is(415, "unsupported_media_type");
}

#[tokio::test]
async fn who_may_build_is_a_setting() {
    let asked = async |options: Options| {
        let server = Server::with(options).await;
        let (admin, other) = (server.user("a").await, server.user("b").await);
        let admin = admin.send(built(&admin, "name=a", "tar")).await;
        let other = other.send(built(&other, "name=b", "tar")).await;
        let code = |answer: &Answer| answer.body["error"]["code"].as_str().unwrap_or("built").to_owned();
        [code(&admin), code(&other)]
    };
    let with = |image_builds| Options { image_builds, ..Options::default() };
    assert_eq!(asked(with(ImageBuilds::Off)).await, ["forbidden", "forbidden"]);
    assert_eq!(asked(with(ImageBuilds::Admin)).await, ["built", "forbidden"]);
    assert_eq!(asked(with(ImageBuilds::All)).await, ["built", "built"]);
    let none = Options { builds: false, ..Options::default() };
    assert_eq!(asked(none).await, ["runtime_unavailable", "forbidden"]);
}
