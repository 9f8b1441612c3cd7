//! Images.

use reqwest::Method;
use serde_json::json;

use crate::kit::{ARCHIVE_BYTES_MAX, Answer, Client, Server};

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
    let json = user.send(user.request(Method::POST, "/images?name=a").json(&json!({}))).await;
    json.is(415, "unsupported_media_type");
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
