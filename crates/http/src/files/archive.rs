//! `GET` and `POST /sandboxes/{id}/archive`

use std::collections::BTreeMap;

use atoll_api_types::UnpackedArchive;
use atoll_types::FilePath;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoResponses;
use utoipa::openapi::RefOr;

use super::at::{path_of_query, user};
use super::content::{Incoming, Outgoing, documented};
use super::read::harmless;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok as Done, data};
use crate::extract::{Path, Query, SandboxPath};

/// Of what, or into which directory.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ArchiveQuery {
    /// Path of the directory, absolute or from the home of the user; the home when absent.
    #[serde(rename = "path")]
    #[param(rename = "path", value_type = Option<String>, example = "project")]
    _path: Option<String>,
    /// User of the sandbox whose rights and home count; the one of its execs when absent.
    user: Option<String>,
}

/// Media type of an archive.
const TAR: &str = "application/x-tar";

/// An archive on its way out.
#[derive(Debug)]
pub(crate) struct Tar(Outgoing);

impl IntoResponse for Tar {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl IntoResponses for Tar {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        documented(TAR)
    }
}

/// Take what is in a directory, or one file, as a tar.
///
/// Streamed as it is made. It stays on one file system, follows no links, and leaves sockets and devices out. Something that
/// the user may not read ends the connection before the archive is whole: `user=root` may read all.
#[utoipa::path(get, path = "/sandboxes/{id}/archive", tag = "files", params(SandboxPath, ArchiveQuery))]
pub(crate) async fn get_archive(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(sandbox): Path<SandboxPath>,
    Query(query): Query<ArchiveQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Tar, ApiFailure> {
    let path = path_of_query(raw.as_deref())?.unwrap_or_else(FilePath::home);
    let files = api.engine().files(&caller, &sandbox.id, user(query.user)?, path, true)?;
    let mut outgoing = Outgoing::new(files.pack().await?);
    let headers = outgoing.response().headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TAR));
    harmless(headers);
    Ok(Tar(outgoing))
}

/// Unpack a tar into a directory, which is made where it is missing.
///
/// The body is a plain tar. Nothing is made outside the directory; files belong to the user, and each appears whole. What
/// came before an error stays.
#[utoipa::path(
    post, path = "/sandboxes/{id}/archive", tag = "files", params(SandboxPath, ArchiveQuery),
    request_body(content = String, content_type = "application/x-tar", description = "A tar.")
)]
pub(crate) async fn put_archive(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(sandbox): Path<SandboxPath>,
    Query(query): Query<ArchiveQuery>,
    RawQuery(raw): RawQuery,
    body: Body,
) -> Result<Done<UnpackedArchive>, ApiFailure> {
    let path = path_of_query(raw.as_deref())?.unwrap_or_else(FilePath::home);
    let body = Incoming::new(body);
    let unpacked = async {
        let files = api.engine().files(&caller, &sandbox.id, user(query.user)?, path, false)?;
        Ok::<_, ApiFailure>(files.unpack(body.content()).await?)
    };
    match unpacked.await {
        Ok(done) => data(UnpackedArchive { entries: done.files, bytes: done.bytes }),
        Err(error) => {
            body.discard().await;
            Err(error)
        }
    }
}
