//! `POST /sandboxes/{id}/files`

use atoll_api_types::{File, WriteFile};
use atoll_engine::SandboxFiles;
use atoll_ports::ContentIn;
use atoll_types::{FileMode, FilePath, GuestUser};
use axum::extract::{FromRequest, RawQuery, Request, State};
use axum::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;

use super::at::{checked, path_of_query, user};
use super::content::Incoming;
use super::{multipart, view};
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::extract::{Json, Path, Problems, Query, SandboxPath};

/// Where a raw or a multipart body goes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WriteQuery {
    /// Path of the file, absolute or from the home of the user. With it the body is the content, whatever its type says,
    /// or multipart.
    #[serde(rename = "path")]
    #[param(rename = "path", value_type = Option<String>, example = "hello.txt")]
    _path: Option<String>,
    /// Rights, octal; those of the file that is replaced when absent, else 0644.
    #[param(example = "0644")]
    mode: Option<String>,
    /// User of the sandbox whose rights and home count; the one of its execs when absent.
    user: Option<String>,
}

/// Where, how and as whom, of whatever body.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) path: Option<FilePath>,
    pub(super) mode: Option<FileMode>,
    pub(super) user: Option<GuestUser>,
}

/// Write a file.
///
/// The body is the content with `?path=`; or `multipart/form-data` with a part that has a file name, after `path` and `mode`
/// where they are parts; or JSON. Directories on the way are made. A file that is there is replaced in one step once the
/// content is whole, and keeps its rights and owner; a link is followed. A body that ends early changes nothing.
#[utoipa::path(
    post, path = "/sandboxes/{id}/files", tag = "files", params(SandboxPath, WriteQuery),
    request_body(content(
        (WriteFile = "application/json"),
        (String = "application/octet-stream"),
        (String = "multipart/form-data")
    ))
)]
pub(crate) async fn write_file(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(sandbox): Path<SandboxPath>,
    Query(query): Query<WriteQuery>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> Result<Created<File>, ApiFailure> {
    let wanted = Wanted {
        path: path_of_query(raw.as_deref())?,
        mode: mode("query.mode", query.mode)?,
        user: user(query.user)?,
    };
    let open = |user: Option<GuestUser>, path: FilePath| {
        api.engine().files(&caller, &sandbox.id, user, path, false).map_err(ApiFailure::from)
    };
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.unwrap_or_default().to_owned();
    if media.to_ascii_lowercase().starts_with("multipart/form-data") {
        let body = Incoming::new(request.into_body());
        let written = multipart::write(&media, &body, wanted, open).await;
        return finished(written, body).await;
    }
    match wanted.path {
        Some(path) => {
            let body = Incoming::new(request.into_body());
            let written = match open(wanted.user, path) {
                Ok(files) => put(&files, wanted.mode, body.content()).await,
                Err(error) => Err(error),
            };
            finished(written, body).await
        }
        None if media.is_empty() || media.to_ascii_lowercase().contains("json") => {
            let Json(body) = Json::<WriteFile>::from_request(request, &()).await?;
            let content = decode(&body)?;
            let mode = mode("mode", body.mode)?.or(wanted.mode);
            let files = open(wanted.user, checked("path", body.path.into_bytes())?)?;
            put(&files, mode, Box::pin(stream::once(async { Ok(content) }))).await.map(Answer)
        }
        None => {
            Incoming::new(request.into_body()).discard().await;
            Err(ApiFailure::field("query.path", "is required with a body of this type: ?path=hello.txt"))
        }
    }
}

/// The answer, once the client can read it.
async fn finished(written: Result<File, ApiFailure>, body: Incoming) -> Result<Created<File>, ApiFailure> {
    if written.is_err() {
        body.discard().await;
    }
    written.map(Answer)
}

pub(super) async fn put(
    files: &SandboxFiles,
    mode: Option<FileMode>,
    content: ContentIn,
) -> Result<File, ApiFailure> {
    Ok(view::file(files.write(mode, content).await?))
}

pub(super) fn mode(field: &str, text: Option<String>) -> Result<Option<FileMode>, ApiFailure> {
    let mut problems = Problems::default();
    let given = text.is_some();
    let mode = problems.parse::<FileMode>(field, text);
    problems.finish((mode.is_some() || !given).then_some(mode))
}

fn decode(body: &WriteFile) -> Result<Bytes, ApiFailure> {
    match body.encoding {
        atoll_api_types::Encoding::Utf8 => Ok(Bytes::copy_from_slice(body.content.as_bytes())),
        atoll_api_types::Encoding::Base64 => STANDARD
            .decode(&body.content)
            .map(Bytes::from)
            .map_err(|_| ApiFailure::field("content", "must be standard base 64 with padding")),
    }
}
