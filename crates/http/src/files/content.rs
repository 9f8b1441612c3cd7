//! Content on its way in and out, at the pace of the slower side.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use atoll_ports::{ContentIn, ContentOut};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use tokio::sync::Mutex;
use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, RefOr, ResponseBuilder, ResponsesBuilder, Type};

use crate::bounds::{CHUNK_TIMEOUT, CONTENT_DISCARD_BYTES_MAX, CONTENT_DISCARD_TIMEOUT};
use crate::extract::discard_within;

/// A body that is handed on piece by piece, and whose rest is thrown away where nobody wants it.
#[derive(Debug, Clone)]
pub(super) struct Incoming(Arc<Mutex<Body>>);

impl Incoming {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Its data. A body that stalls or breaks is an error.
    pub(super) fn content(&self) -> ContentIn {
        Box::pin(stream::unfold(Some(Arc::clone(&self.0)), async |body| {
            let body = body?;
            match next(&body).await {
                Ok(Some(data)) => Some((Ok(data), Some(body))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// Reads what is left, within bounds, so that the client can read why it was refused.
    pub(super) async fn discard(self) {
        if let Some(body) = Arc::into_inner(self.0) {
            discard_within(body.into_inner(), CONTENT_DISCARD_BYTES_MAX, CONTENT_DISCARD_TIMEOUT).await;
        }
    }
}

async fn next(body: &Mutex<Body>) -> io::Result<Option<Bytes>> {
    let mut body = body.lock().await;
    loop {
        let frame = tokio::time::timeout(CHUNK_TIMEOUT, body.frame()).await;
        let stalled = |_| io::Error::new(io::ErrorKind::TimedOut, "the body stalled");
        match frame.map_err(stalled)? {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => return Err(io::Error::other(error)),
            None => return Ok(None),
        }
    }
}

/// Bytes of a sandbox, with the headers that they go with. A content that fails breaks the connection: the client sees
/// that it is not whole.
#[derive(Debug)]
pub(crate) struct Outgoing(Response);

impl Outgoing {
    pub(super) fn new(content: ContentOut) -> Self {
        Self(Response::new(Body::from_stream(content.map(|data| {
            data.inspect_err(|error| tracing::debug!("a content ended before its time: {error}"))
        }))))
    }

    pub(super) fn response(&mut self) -> &mut Response {
        &mut self.0
    }
}

impl IntoResponse for Outgoing {
    fn into_response(self) -> Response {
        self.0
    }
}

impl IntoResponses for Outgoing {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        documented("application/octet-stream")
    }
}

/// The answer with bytes of this media type.
pub(super) fn documented(media: &str) -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    let schema = ObjectBuilder::new().schema_type(Type::String).content_media_type(media);
    let bytes = ContentBuilder::new().schema(Some(schema.build())).build();
    let response = ResponseBuilder::new().description("The bytes.").content(media, bytes);
    ResponsesBuilder::new().response("200", response).build().into()
}
