//! An archive on its way in: into a file without a name, so that nothing is left of it however it ends.

use std::fs::File;
use std::io::Seek;
use std::os::fd::AsRawFd;

use atoll_types::ErrorCode;
use axum::body::Body;
use axum::http::HeaderMap;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;

use crate::Api;
use crate::answer::ApiFailure;
use crate::bounds::CHUNK_TIMEOUT;
use crate::extract::{content_length, discard};

/// How large a body may be, and what helps when it is larger.
#[derive(Debug, Clone, Copy)]
pub(super) struct UploadLimit {
    pub(super) bytes: u64,
    pub(super) hint: &'static str,
}

/// The whole body as a file, at its start.
pub(super) async fn receive(api: &Api, headers: &HeaderMap, body: Body) -> Result<File, ApiFailure> {
    let bytes = api.settings().archive_bytes_max;
    receive_within(api, headers, body, UploadLimit { bytes, hint: "the setting maxImageSize" }).await
}

/// The same, of at most so many bytes.
pub(super) async fn receive_within(
    api: &Api,
    headers: &HeaderMap,
    body: Body,
    limit: UploadLimit,
) -> Result<File, ApiFailure> {
    if content_length(headers).is_some_and(|length| length > limit.bytes) {
        discard(body).await;
        return Err(too_large(limit));
    }
    let spool = format!("/proc/self/fd/{}", api.settings().spool.as_raw_fd());
    let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(spool)).await;
    let file = made.map_err(ApiFailure::internal)?.map_err(no_room)?;
    let written = write(tokio::fs::File::from_std(file), body, limit).await?;
    let mut file = written.into_std().await;
    file.rewind().map_err(no_room)?;
    Ok(file)
}

async fn write(
    mut file: tokio::fs::File,
    mut body: Body,
    limit: UploadLimit,
) -> Result<tokio::fs::File, ApiFailure> {
    let mut left = limit.bytes;
    // A body that stalls is given up with its file.
    while let Some(frame) = tokio::time::timeout(CHUNK_TIMEOUT, body.frame()).await.map_err(|_| stalled())? {
        let frame =
            frame.map_err(|error| ApiFailure::field("body", "ended before it was whole").because(error))?;
        let Ok(data) = frame.into_data() else { continue };
        let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let Some(rest) = left.checked_sub(bytes) else {
            discard(body).await;
            return Err(too_large(limit));
        };
        left = rest;
        file.write_all(&data).await.map_err(no_room)?;
    }
    if left == limit.bytes {
        return Err(ApiFailure::field("body", "must be a tar; it is empty"));
    }
    file.flush().await.map_err(no_room)?;
    Ok(file)
}

fn stalled() -> ApiFailure {
    ApiFailure::field("body", format!("stalled for {} s", CHUNK_TIMEOUT.as_secs()))
}

fn too_large(limit: UploadLimit) -> ApiFailure {
    let message = format!("the archive must have at most {} MiB ({})", limit.bytes >> 20, limit.hint);
    ApiFailure::new(ErrorCode::BodyTooLarge, message)
}

fn no_room(error: std::io::Error) -> ApiFailure {
    if error.kind() == std::io::ErrorKind::StorageFull || error.kind() == std::io::ErrorKind::QuotaExceeded {
        return ApiFailure::new(ErrorCode::DiskFull, "the host's disk has no room for the archive")
            .because(error);
    }
    ApiFailure::internal(error)
}
