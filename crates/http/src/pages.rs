//! The document as JSON, and two pages that show it: all from this binary, with no other host.

use std::sync::LazyLock;

use axum::http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// A browser that keeps to it loads nothing from elsewhere, whatever a page's script asks for.
const CSP: &str =
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

/// The page of ReDoc, and its program as `scripts/redoc.sh` fetched it: compressed, as every browser takes it.
const REDOC_PAGE: &str = include_str!("../assets/redoc/index.html");
const REDOC_PROGRAM: &[u8] = include_bytes!("../assets/redoc/redoc.standalone.js.gz");

static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| crate::openapi::openapi().to_pretty_json().unwrap_or_default().into());

/// `/openapi.json`, `/docs` and `/redoc`.
pub(crate) fn pages<S: Clone + Send + Sync + 'static>() -> axum::Router<S> {
    let config = Config::from("/openapi.json").validator_url("none").try_it_out_enabled(true);
    let swagger: axum::Router<S> = SwaggerUi::new("/docs").config(config).into();
    swagger
        .route("/openapi.json", get(document))
        .route("/redoc", get(async || Html(REDOC_PAGE)))
        .route("/redoc/", get(async || Html(REDOC_PAGE)))
        .route("/redoc/redoc.standalone.js", get(redoc_program))
        .layer(axum::middleware::map_response(closed))
}

async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}

async fn redoc_program() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript"), (CONTENT_ENCODING, "gzip")], REDOC_PROGRAM)
}

async fn closed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}
