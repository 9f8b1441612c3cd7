//! Images.

use std::fmt;

use atoll_api_types::Success;
use atoll_api_types::{Deleted, Image};
use atoll_types::ImageName;
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use crate::{Client, ClientError, Page};

/// Piece in which an archive is read and sent, in bytes: large enough that the calls do not count.
const PIECE_BYTES: usize = 256 << 10;

/// Called after each piece with the bytes sent so far.
pub type Progress = Box<dyn FnMut(u64) + Send>;

/// What sandboxes of an image are where nothing else says, as an image's own configuration has it.
#[derive(Debug, Clone, Default)]
pub struct ImageDefaults {
    /// What gets the command as its arguments.
    pub entrypoint: Vec<String>,
    /// Main process.
    pub command: Vec<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Where processes begin.
    pub cwd: Option<String>,
    /// User of processes.
    pub user: Option<String>,
}

impl ImageDefaults {
    fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let entrypoint = self.entrypoint.iter().map(|word| ("entrypoint", word.clone()));
        let command = self.command.iter().map(|word| ("command", word.clone()));
        let env = self.env.iter().map(|(name, value)| ("env", format!("{name}={value}")));
        let cwd = self.cwd.iter().map(|cwd| ("cwd", cwd.clone()));
        let user = self.user.iter().map(|user| ("user", user.clone()));
        entrypoint.chain(command).chain(env).chain(cwd).chain(user)
    }
}

/// A tar archive to send.
pub struct Archive {
    /// Where it comes from; read once, piece by piece.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Its length in bytes where that is known, as of a regular file.
    pub length: Option<u64>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Reading the archive failed here, not the server there.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the archive")]
pub(crate) struct ReadError(#[source] pub(crate) std::io::Error);

impl Client {
    /// `GET /images`, one page.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn image_list(&self, cursor: Option<&str>) -> Result<Page<Image>, ClientError> {
        self.get_page(self.url(&["images"]), cursor).await
    }

    /// `POST /images?name=`: sends a tar of a root file system or of an image.
    ///
    /// # Errors
    /// When the archive cannot be read or is malformed, or the name is not one.
    pub async fn image_import(
        &self,
        name: &ImageName,
        defaults: &ImageDefaults,
        archive: Archive,
        mut progress: Progress,
    ) -> Result<Image, ClientError> {
        let mut url = self.url(&["images"]);
        url.query_pairs_mut().append_pair("name", name.as_str()).extend_pairs(defaults.pairs());
        let mut sent = 0_u64;
        let pieces = ReaderStream::with_capacity(archive.reader, PIECE_BYTES).map(
            move |piece| -> Result<Bytes, ReadError> {
                let piece = piece.map_err(ReadError)?;
                sent += piece.len() as u64;
                progress(sent);
                Ok(piece)
            },
        );
        let mut request = self.request(Method::POST, url).header(CONTENT_TYPE, "application/x-tar");
        if let Some(length) = archive.length {
            request = request.header(CONTENT_LENGTH, length);
        }
        let answer: Success<Image> = self.send(request.body(Body::wrap_stream(pieces))).await?;
        Ok(answer.data)
    }

    /// `DELETE /images/:name`.
    ///
    /// # Errors
    /// When there is no such image, or a sandbox uses it.
    pub async fn image_delete(&self, name: &ImageName) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.url(&["images", name.as_str()])).await
    }
}
