//! Requests and their errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use atoll_api_types::CreateSandbox;
use atoll_client::{Archive, Client, ClientError, ImageDefaults};
use atoll_types::SandboxId;
use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};

use crate::server::Server;

const FAILURE: &str = r#"{"success":false,"error":{"code":"invalid_request","message":"the request has a wrong field",
    "details":[{"field":"cpu","message":"cpu must be 0.01 to 256"}],"traceId":"t1"}}"#;

fn id() -> SandboxId {
    "0123456789ab".parse().unwrap()
}

fn failing(status: u16, body: &'static str) -> Server {
    Server::start(Router::new().fallback(any(async move || (StatusCode::from_u16(status).unwrap(), body))))
}

#[tokio::test]
async fn an_error_keeps_all_that_the_server_said() {
    let server = failing(400, FAILURE);
    let client = Client::new(&server.url(), None).unwrap();
    let Err(ClientError::Api(error)) = client.sandbox_create(&CreateSandbox::default()).await else {
        panic!("no API error")
    };
    assert_eq!((error.status, error.code.as_str(), error.trace_id.as_str()), (400, "invalid_request", "t1"));
    assert_eq!((error.fields[0].field.as_str(), error.fields.len()), ("cpu", 1));
}

#[tokio::test]
async fn what_is_not_atoll_is_named_so() {
    for (status, body) in
        [(200, "<html>"), (200, "{}"), (502, "bad gateway"), (302, ""), (404, "{\"success\":false}")]
    {
        let server = failing(status, body);
        let client = Client::new(&server.url(), None).unwrap();
        let result = client.sandbox_get(&id()).await;
        assert!(matches!(result, Err(ClientError::Protocol { .. })), "{status} {body} gave {result:?}");
    }
}

#[tokio::test]
async fn nothing_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let result = Client::new(&url, None).unwrap().sandbox_stop(&id()).await;
    assert!(matches!(&result, Err(ClientError::Unreachable { url: told, .. }) if *told == url), "{result:?}");
}

/// Answers 503 twice, then with an empty list, and counts.
fn starting(count: &Arc<AtomicU32>) -> Server {
    let count = count.clone();
    let answer = async move || {
        if count.fetch_add(1, Ordering::SeqCst) < 2 {
            let body =
                r#"{"success":false,"error":{"code":"unavailable","message":"starting","traceId":"t"}}"#;
            return (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
        }
        r#"{"success":true,"data":[],"nextCursor":null}"#.into_response()
    };
    Server::start(Router::new().fallback(any(answer)))
}

#[tokio::test]
async fn reading_is_tried_again_while_the_server_starts() {
    let count = Arc::new(AtomicU32::new(0));
    let server = starting(&count);
    let page = Client::new(&server.url(), None).unwrap().image_list(None).await.unwrap();
    assert!(page.items.is_empty());
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn changing_is_never_repeated() {
    let count = Arc::new(AtomicU32::new(0));
    let server = starting(&count);
    let result = Client::new(&server.url(), None).unwrap().sandbox_delete(&id()).await;
    assert_eq!(result.unwrap_err().code(), Some("unavailable"));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn pages_are_followed_to_the_last() {
    let sandboxes = async |RawQuery(query): RawQuery| match query.unwrap_or_default().as_str() {
        "label=a%3Db" => r#"{"success":true,"data":[],"nextCursor":"two"}"#,
        "label=a%3Db&cursor=two" => r#"{"success":true,"data":[],"nextCursor":null}"#,
        _ => "unexpected",
    };
    let server = Server::start(Router::new().route("/sandboxes", get(sandboxes)));
    let filter = atoll_client::SandboxFilter { labels: vec![("a".into(), "b".into())], ..Default::default() };
    assert!(Client::new(&server.url(), None).unwrap().sandbox_list_all(&filter).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error() {
    let server = failing(200, r#"{"success":true,"data":[],"nextCursor":"again"}"#);
    let result = Client::new(&server.url(), None).unwrap().sandbox_list_all(&Default::default()).await;
    assert!(matches!(result, Err(ClientError::Protocol { .. })), "{result:?}");
}

#[tokio::test]
async fn an_archive_is_sent_whole_with_its_length_and_the_token() {
    let import = async |uri: Uri, headers: HeaderMap, body: axum::body::Bytes| {
        assert_eq!(uri.query(), Some("name=debian%3A12"));
        assert_eq!(headers["content-length"], "1000000");
        assert_eq!(headers["content-type"], "application/x-tar");
        assert_eq!(headers["authorization"], "Bearer sk_x");
        assert!(body.iter().all(|b| *b == 7));
        format!(
            r#"{{"success":true,"data":{{"name":"debian:12","digest":null,"sizeBytes":{},"createdAt":null}}}}"#,
            body.len()
        )
    };
    let server = Server::start(
        Router::new().route("/images", post(import)).layer(axum::extract::DefaultBodyLimit::disable()),
    );
    let archive =
        Archive { reader: Box::new(std::io::Cursor::new(vec![7; 1_000_000])), length: Some(1_000_000) };
    let (report, reports) = std::sync::mpsc::channel();
    let client = Client::new(&server.url(), Some("sk_x")).unwrap();
    let progress = Box::new(move |sent| report.send(sent).unwrap());
    let image = client
        .image_import(&"debian:12".parse().unwrap(), &ImageDefaults::default(), archive, progress)
        .await
        .unwrap();
    assert_eq!(image.size_bytes, Some(1_000_000));
    assert_eq!(reports.iter().last(), Some(1_000_000));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_our_own_error() {
    let import = async |body: axum::body::Bytes| format!("{}", body.len());
    let server = Server::start(Router::new().route("/images", post(import)));
    let folder = tokio::fs::File::open("/").await.unwrap();
    let archive = Archive { reader: Box::new(folder), length: None };
    let client = Client::new(&server.url(), None).unwrap();
    let result = client
        .image_import(&"x".parse().unwrap(), &ImageDefaults::default(), archive, Box::new(|_| {}))
        .await;
    assert!(matches!(result, Err(ClientError::Read(_))), "{result:?}");
}
