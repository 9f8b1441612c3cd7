//! `GET /sandboxes/{id}/files/{path}`

use std::collections::BTreeMap;

use atoll_api_types::File;
use atoll_ports::{FilePart, FileRead};
use atoll_types::ErrorCode;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoResponses;
use utoipa::openapi::RefOr;

use super::at::{FileRoute, user};
use super::content::Outgoing;
use super::{range, view};
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Ok as Done};
use crate::extract::Query;

/// How a file is read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadQuery {
    /// User of the sandbox whose rights and home count; the one of its execs when absent.
    user: Option<String>,
    /// Tell what is there instead: type, size, rights, owner, as JSON. A link is told as such.
    #[param(default = false)]
    stat: Option<bool>,
}

/// The content, or what is told of it.
#[derive(Debug)]
pub(crate) enum Shown {
    Content(Outgoing),
    Stat(Box<Done<File>>),
}

/// Read a file.
///
/// A header `Range: bytes=…` takes a part of it: from, from to, or the last so many bytes. Links are followed; only regular
/// files can be read. A file that becomes shorter meanwhile ends the connection before its length is reached.
#[utoipa::path(get, path = "/sandboxes/{id}/files/{*path}", tag = "files", params(FileRoute, ReadQuery))]
pub(crate) async fn read_file(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    file: FileRoute,
    Query(query): Query<ReadQuery>,
    headers: HeaderMap,
) -> Result<Shown, ApiFailure> {
    let files = api.engine().files(&caller, &file.id, user(query.user)?, file.path, true)?;
    if query.stat.unwrap_or_default() {
        return Ok(Shown::Stat(Box::new(Answer(view::file(files.stat().await?)))));
    }
    let part = range::part(&headers);
    match files.read(part.unwrap_or(FilePart::WHOLE)).await {
        Ok(read) => Ok(Shown::Content(content(read, part.is_some())?)),
        Err(error) => Err(error.into()),
    }
}

fn content(read: FileRead, is_part: bool) -> Result<Outgoing, ApiFailure> {
    let FileRead { entry, offset, length, content } = read;
    let mut outgoing = Outgoing::new(content);
    let response = outgoing.response();
    if is_part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let last = offset.saturating_add(length).saturating_sub(1);
        let range = format!("bytes {offset}-{last}/{}", entry.size_bytes);
        response.headers_mut().insert(header::CONTENT_RANGE, value(range)?);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    harmless(headers);
    Ok(outgoing)
}

fn value(text: String) -> Result<HeaderValue, ApiFailure> {
    HeaderValue::try_from(text).map_err(|_| ApiFailure::new(ErrorCode::Internal, "a range cannot be told"))
}

/// What a sandbox wrote must not become a page of this origin.
pub(super) fn harmless(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        match self {
            Self::Content(content) => content.into_response(),
            Self::Stat(file) => file.into_response(),
        }
    }
}

impl IntoResponses for Shown {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let mut responses = Outgoing::responses();
        if let (Some(RefOr::T(content)), Some(RefOr::T(stat))) =
            (responses.get_mut("200"), Done::<File>::responses().remove("200"))
        {
            content.content.extend(stat.content);
            content.description = "The bytes; with `stat` what is told of the file.".to_owned();
        }
        let mut part = Outgoing::responses();
        if let Some(RefOr::T(mut part)) = part.remove("200") {
            part.description = "The part that was asked for.".to_owned();
            responses.insert("206".to_owned(), RefOr::T(part));
        }
        responses
    }
}
