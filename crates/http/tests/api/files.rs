//! Files.

use reqwest::Method;
use serde_json::json;

use crate::kit::{Client, Server};

async fn with_sandbox() -> (Server, Client, String) {
    let server = Server::start().await;
    let user = server.user("a").await;
    let sandbox = user.sandbox().await;
    (server, user, format!("/sandboxes/{sandbox}"))
}

#[tokio::test]
async fn a_file_is_written_in_each_form_and_read() {
    let (_server, user, sandbox) = with_sandbox().await;
    let files = format!("{sandbox}/files");
    let raw = user.request(Method::POST, &format!("{files}?path=notes/raw%20one&mode=0600")).body("raw");
    let made = user.send(raw).await;
    assert_eq!((made.status, &made.data()["mode"], &made.data()["size"]), (201, &json!("0600"), &json!(3)));
    let made = user.post(&files, json!({"path": "json", "content": "aGk=", "encoding": "base64"})).await;
    assert_eq!(made.data()["size"], 2);
    let form = "--b\r\ncontent-disposition: form-data; name=\"path\"\r\n\r\nup/\r\n--b\r\ncontent-disposition: form-data; \
        name=\"file\"; filename=\"../a.txt\"\r\ncontent-type: text/plain\r\n\r\nform\r\n--b--\r\n";
    let request =
        user.request(Method::POST, &files).header("content-type", "multipart/form-data; boundary=b");
    let made = user.send(request.body(form)).await;
    assert_eq!(made.data()["path"], "/home/agent/up/a.txt");
    for (path, text) in [
        ("notes/raw%20one", "raw"),
        ("%2Fhome/agent/json", "hi"),
        ("/home/agent/json", "hi"),
        ("home/agent/json", "hi"),
        ("up/a.txt", "form"),
    ] {
        let read = user.request(Method::GET, &format!("{files}/{path}")).send().await.unwrap();
        assert_eq!(
            (read.status(), read.headers()["x-content-type-options"].to_str().unwrap()),
            (reqwest::StatusCode::OK, "nosniff")
        );
        assert_eq!(read.text().await.unwrap(), text, "{path}");
    }
    let list = user.get(&format!("{files}?limit=2")).await;
    assert_eq!(
        (list.data()[0]["path"].as_str(), list.data()[1]["name"].as_str()),
        (Some("json"), Some("notes"))
    );
    let cursor = list.body["nextCursor"].as_str().unwrap();
    let rest = user.get(&format!("{files}?cursor={cursor}")).await;
    assert_eq!((rest.data()[0]["name"].as_str(), &rest.body["nextCursor"]), (Some("up"), &json!(null)));
}

#[tokio::test]
async fn a_part_is_read() {
    let (_server, user, sandbox) = with_sandbox().await;
    user.send(user.request(Method::POST, &format!("{sandbox}/files?path=f")).body("0123456789")).await;
    let part = async |range: &str| {
        user.request(Method::GET, &format!("{sandbox}/files/f")).header("range", range).send().await.unwrap()
    };
    for (range, told, text) in [
        ("bytes=2-4", "bytes 2-4/10", "234"),
        ("bytes=-3", "bytes 7-9/10", "789"),
        ("bytes=9-", "bytes 9-9/10", "9"),
    ] {
        let read = part(range).await;
        assert_eq!((read.status().as_u16(), read.headers()["content-range"].to_str().unwrap()), (206, told));
        assert_eq!(read.text().await.unwrap(), text);
    }
    let beyond = crate::kit::Answer::of(part("bytes=10-").await).await;
    beyond.is(416, "range_not_satisfiable");
    assert_eq!(beyond.body["error"]["details"], json!({"size": 10}));
    assert_eq!(part("bytes=0-1,3-4").await.status(), 200);
    let head = user.request(Method::HEAD, &format!("{sandbox}/files/f")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "10"));
}

#[tokio::test]
async fn files_change_go_and_are_found() {
    let (_server, user, sandbox) = with_sandbox().await;
    user.send(user.request(Method::POST, &format!("{sandbox}/files?path=d/f")).body("needle")).await;
    let patch = user
        .request(Method::PATCH, &format!("{sandbox}/files/d/f"))
        .json(&json!({"to": "d/g", "mode": "0700"}));
    let changed = user.send(patch).await;
    assert_eq!((&changed.data()["name"], &changed.data()["mode"]), (&json!("g"), &json!("0700")));
    let stat = user.get(&format!("{sandbox}/files/d/g?stat=true")).await;
    assert_eq!((&stat.data()["type"], &stat.data()["size"]), (&json!("file"), &json!(6)));
    let found = user.get(&format!("{sandbox}/search?q=needle&in=content")).await;
    assert_eq!((&found.data()["matches"][0]["line"], &found.data()["truncated"]), (&json!(1), &json!(false)));
    let tar = user.request(Method::GET, &format!("{sandbox}/archive?path=d")).send().await.unwrap();
    assert_eq!(tar.headers()["content-type"], "application/x-tar");
    let tar = tar.bytes().await.unwrap();
    let unpacked =
        user.send(user.request(Method::POST, &format!("{sandbox}/archive?path=e")).body(tar)).await;
    assert_eq!(unpacked.data(), &json!({"entries": 1, "bytes": 6}));
    user.delete(&format!("{sandbox}/files/d")).await.is(409, "directory_not_empty");
    assert_eq!(user.delete(&format!("{sandbox}/files/d?recursive=true")).await.data()["deleted"], true);
    user.get(&format!("{sandbox}/files/d/g")).await.is(404, "file_not_found");
    user.get(&format!("{sandbox}/files/e/g?stat=true")).await.data();
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let (_server, user, sandbox) = with_sandbox().await;
    for (path, field) in [
        ("files?path=a%00b", "query.path"),
        ("files?path=", "query.path"),
        ("files?path=a&path=b", "query.path"),
        ("files?user=-x", "query.user"),
        ("files?limit=0", "query.limit"),
        ("files?cursor=%21", "query.cursor"),
        ("files?pth=a", "query.pth"),
        ("files/x?stat=maybe", "query.stat"),
        ("search?q=", "query.q"),
        ("search?q=a&in=nowhere", "query.in"),
        ("archive?path=%00", "query.path"),
    ] {
        let refused = user.get(&format!("{sandbox}/{path}")).await;
        assert_eq!((refused.status, refused.fields()), (400, vec![field]), "{path}");
    }
    let write = async |query: &str| {
        user.send(user.request(Method::POST, &format!("{sandbox}/files{query}")).body("x")).await
    };
    assert_eq!(write("?path=a&mode=999").await.fields(), ["query.mode"]);
    let raw = user
        .request(Method::POST, &format!("{sandbox}/files"))
        .header("content-type", "text/plain")
        .body("x");
    assert_eq!(user.send(raw).await.fields(), ["query.path"]);
    for (body, field) in [
        (json!({"path": "", "content": ""}), "path"),
        (json!({"path": "a", "content": "?", "encoding": "base64"}), "content"),
        (json!({"path": "a", "content": "", "mode": "rwx"}), "mode"),
        (json!({"path": "a"}), "content"),
    ] {
        assert_eq!(user.post(&format!("{sandbox}/files"), body).await.fields(), [field]);
    }
    let patch =
        async |body| user.send(user.request(Method::PATCH, &format!("{sandbox}/files/a")).json(&body)).await;
    assert_eq!(patch(json!({})).await.fields(), ["body"]);
    assert_eq!(patch(json!({"to": ""})).await.fields(), ["to"]);
}

#[tokio::test]
async fn another_users_files_are_as_those_of_no_sandbox() {
    let (server, _user, sandbox) = with_sandbox().await;
    let other = server.user("b").await;
    for path in ["files", "files/x", "files/x?stat=true", "archive", "search?q=a"] {
        other.get(&format!("{sandbox}/{path}")).await.is(404, "sandbox_not_found");
        server.anonymous().get(&format!("{sandbox}/{path}")).await.is(401, "unauthorized");
    }
    other.delete(&format!("{sandbox}/files/x")).await.is(404, "sandbox_not_found");
    for (method, path) in [(Method::POST, "files?path=x"), (Method::POST, "archive")] {
        other
            .send(other.request(method, &format!("{sandbox}/{path}")).body("x"))
            .await
            .is(404, "sandbox_not_found");
    }
    let patch = other.request(Method::PATCH, &format!("{sandbox}/files/x")).json(&json!({"mode": "0644"}));
    other.send(patch).await.is(404, "sandbox_not_found");
    other.get("/sandboxes/nonsense!/files/x").await.is(404, "sandbox_not_found");
}

#[tokio::test]
async fn a_sandbox_that_does_not_run_has_no_files_to_offer() {
    let (_server, user, sandbox) = with_sandbox().await;
    user.act(&format!("{sandbox}/stop")).await.data();
    user.get(&format!("{sandbox}/files")).await.is(409, "sandbox_not_running");
    user.send(user.request(Method::POST, &format!("{sandbox}/files?path=x")).body("x"))
        .await
        .is(409, "sandbox_not_running");
}
