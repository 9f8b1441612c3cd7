//! A file in `multipart/form-data`, as a form of a page or `curl -F` sends it.

use atoll_api_types::File;
use atoll_engine::SandboxFiles;
use atoll_types::{FilePath, GuestUser};
use futures_util::StreamExt;
use multer::{Constraints, Field, Multipart, SizeLimit};

use super::at::checked;
use super::content::Incoming;
use super::write::{Wanted, mode, put};
use crate::answer::ApiFailure;

/// Longest part that is no file, in bytes: a path.
const TEXT_BYTES_MAX: u64 = 4 << 10;
/// Most parts before the file.
const PARTS_MAX: usize = 8;

/// Writes the first part that has a file name. `path` and `mode` may be parts before it.
pub(super) async fn write(
    media: &str,
    body: &Incoming,
    mut wanted: Wanted,
    open: impl Fn(Option<GuestUser>, FilePath) -> Result<SandboxFiles, ApiFailure>,
) -> Result<File, ApiFailure> {
    let boundary = multer::parse_boundary(media).map_err(malformed)?;
    let limits = Constraints::new()
        .size_limit(SizeLimit::new().for_field("path", TEXT_BYTES_MAX).for_field("mode", TEXT_BYTES_MAX));
    let mut parts = Multipart::with_constraints(body.content(), boundary, limits);
    for _ in 0..PARTS_MAX {
        let Some(field) = parts.next_field().await.map_err(malformed)? else { break };
        if field.file_name().is_some() {
            let path = target(wanted.path, &field)?;
            let content = field.map(|piece| piece.map_err(std::io::Error::other));
            return put(&open(wanted.user, path)?, wanted.mode, Box::pin(content)).await;
        }
        match field.name() {
            Some("path") => {
                let text = field.text().await.map_err(malformed)?;
                wanted.path = Some(checked("path", text.into_bytes())?);
            }
            Some("mode") => {
                let text = field.text().await.map_err(malformed)?;
                wanted.mode = mode("mode", Some(text))?;
            }
            _ => {
                return Err(ApiFailure::field(
                    "body",
                    "has a part that is neither 'path', 'mode' nor a file",
                ));
            }
        }
    }
    Err(ApiFailure::field(
        "body",
        "must have a part with a file name, after 'path' and 'mode' (curl: -F path=/dir/ -F file=@FILE)",
    ))
}

/// The path that is asked for; in that directory, where it ends with a slash; else the file's own name, in the home.
fn target(path: Option<FilePath>, field: &Field<'_>) -> Result<FilePath, ApiFailure> {
    let name = field.file_name().unwrap_or_default();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    match path {
        Some(path) if !path.as_bytes().ends_with(b"/") => Ok(path),
        Some(directory) => checked("path", [directory.as_bytes(), name.as_bytes()].concat()),
        None => checked("file", name.as_bytes().to_vec()),
    }
}

fn malformed(error: multer::Error) -> ApiFailure {
    ApiFailure::field("body", "is no valid multipart/form-data").because(error)
}
