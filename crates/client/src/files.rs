//! Files of a sandbox.

use std::pin::Pin;

use atoll_api_types::{ChangeFile, Deleted, File, FileMatches, Success, UnpackedArchive};
use atoll_types::SandboxId;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, Response, Url};

use crate::images::ReadError;
use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, Page};

/// Content to send, piece by piece, as it is asked for.
pub type Content = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send + Sync>>;

/// A file of a sandbox, and as whom it is used.
#[derive(Debug, Clone, Copy)]
pub struct FileAt<'a> {
    /// The sandbox.
    pub sandbox: &'a SandboxId,
    /// Absolute, or from the home of the user; `.` is the home.
    pub path: &'a str,
    /// User of the sandbox; the one of its execs when absent.
    pub user: Option<&'a str>,
}

/// Content of a sandbox on its way here. It is sent as fast as it is taken, and no faster.
#[derive(Debug)]
pub struct Download {
    response: Response,
    client: Client,
}

impl Download {
    /// Its length in bytes, where that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// When it ends before its time.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        self.response.chunk().await.map_err(|error| self.client.lost(error))
    }
}

impl Client {
    /// `GET /sandboxes/:id/files/:path?stat=true`: what is there; a link is told as such.
    ///
    /// # Errors
    /// When there is nothing, or the user may not look.
    pub async fn file_stat(&self, at: FileAt<'_>) -> Result<File, ClientError> {
        let mut url = self.file_url(at);
        url.query_pairs_mut().append_pair("stat", "true");
        self.get_data(url).await
    }

    /// `GET /sandboxes/:id/files?path=`, one page of a directory.
    ///
    /// # Errors
    /// When it is no directory.
    pub async fn file_list(&self, at: FileAt<'_>, cursor: Option<&str>) -> Result<Page<File>, ClientError> {
        self.get_page(self.files_url(at, "files"), cursor).await
    }

    /// `GET /sandboxes/:id/files/:path`: the content of a regular file.
    ///
    /// # Errors
    /// When there is no such file.
    pub async fn file_read(&self, at: FileAt<'_>) -> Result<Download, ClientError> {
        self.download(self.file_url(at)).await
    }

    /// `POST /sandboxes/:id/files?path=`: makes or replaces a file, whole or not at all. `mode` is octal.
    ///
    /// # Errors
    /// When it cannot be made, or the content cannot be read.
    pub async fn file_write(
        &self,
        at: FileAt<'_>,
        mode: Option<&str>,
        length: Option<u64>,
        content: Content,
    ) -> Result<File, ClientError> {
        let mut url = self.files_url(at, "files");
        if let Some(mode) = mode {
            url.query_pairs_mut().append_pair("mode", mode);
        }
        self.upload(url, "application/octet-stream", length, content).await
    }

    /// `DELETE /sandboxes/:id/files/:path`.
    ///
    /// # Errors
    /// When there is nothing, or a directory has something in it and `recursive` is not set.
    pub async fn file_delete(&self, at: FileAt<'_>, recursive: bool) -> Result<Deleted, ClientError> {
        let mut url = self.file_url(at);
        url.query_pairs_mut().append_pair("recursive", if recursive { "true" } else { "false" });
        self.act(Method::DELETE, url).await
    }

    /// `PATCH /sandboxes/:id/files/:path`: moves it, changes its rights, or both.
    ///
    /// # Errors
    /// When there is nothing, or something has the new path.
    pub async fn file_change(&self, at: FileAt<'_>, change: &ChangeFile) -> Result<File, ClientError> {
        let request = self.request(Method::PATCH, self.file_url(at)).json(change).timeout(REQUEST_TIMEOUT);
        Ok(self.send::<Success<File>>(request).await?.data)
    }

    /// `GET /sandboxes/:id/search`: `place` is `name`, `content` or `all`.
    ///
    /// # Errors
    /// When `at` is no directory.
    pub async fn file_search(
        &self,
        at: FileAt<'_>,
        text: &str,
        place: &str,
    ) -> Result<FileMatches, ClientError> {
        let mut url = self.files_url(at, "search");
        url.query_pairs_mut().append_pair("q", text).append_pair("in", place);
        self.get_data(url).await
    }

    /// `GET /sandboxes/:id/archive`: a tar of what is in a directory, or of one file.
    ///
    /// # Errors
    /// When there is nothing.
    pub async fn archive_get(&self, at: FileAt<'_>) -> Result<Download, ClientError> {
        self.download(self.files_url(at, "archive")).await
    }

    /// `POST /sandboxes/:id/archive`: unpacks a plain tar into a directory, which is made.
    ///
    /// # Errors
    /// When the archive is malformed or something cannot be made; what came before stays.
    pub async fn archive_put(
        &self,
        at: FileAt<'_>,
        archive: Content,
    ) -> Result<UnpackedArchive, ClientError> {
        self.upload(self.files_url(at, "archive"), "application/x-tar", None, archive).await
    }

    async fn download(&self, url: Url) -> Result<Download, ClientError> {
        let response = self.request(Method::GET, url).send().await.map_err(|error| self.lost(error))?;
        if response.status().is_success() {
            return Ok(Download { response, client: self.clone() });
        }
        Err(self.refused(response).await)
    }

    async fn upload<T: serde::de::DeserializeOwned>(
        &self,
        url: Url,
        media: &'static str,
        length: Option<u64>,
        content: Content,
    ) -> Result<T, ClientError> {
        let mut request = self.request(Method::POST, url).header(CONTENT_TYPE, media);
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        let content = content.map(|piece| piece.map_err(ReadError));
        Ok(self.send::<Success<T>>(request.body(Body::wrap_stream(content))).await?.data)
    }

    /// The route of one file.
    fn file_url(&self, at: FileAt<'_>) -> Url {
        // A path is one segment, percent-encoded, so that its slashes are its own. Dots alone would be no segment.
        let dots = matches!(at.path, "." | "..").then(|| format!("{}/", at.path));
        let path = dots.as_deref().unwrap_or(at.path);
        let mut url = self.url(&["sandboxes", at.sandbox.as_str(), "files", path]);
        if let Some(user) = at.user {
            url.query_pairs_mut().append_pair("user", user);
        }
        url
    }

    /// A route that has the path in its query.
    fn files_url(&self, at: FileAt<'_>, last: &str) -> Url {
        let mut url = self.url(&["sandboxes", at.sandbox.as_str(), last]);
        url.query_pairs_mut().append_pair("path", at.path);
        if let Some(user) = at.user {
            url.query_pairs_mut().append_pair("user", user);
        }
        url
    }
}
