//! Images.

use std::fmt;
use std::time::Duration;

use atoll_api_types::{
    BuildProgress, Deleted, Image, ProgressLine, PullImage, PullProgress, PushImage, PushProgress,
    PushedImage, Success,
};
use atoll_types::ImageName;
use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use crate::{ApiError, Client, ClientError, Content, Page};

/// Piece in which an archive is read and sent, in bytes: large enough that the calls do not count.
const PIECE_BYTES: usize = 256 << 10;

/// Longest line of a pull's progress, in bytes: the last has the image, with its variables.
const LINE_BYTES_MAX: usize = 4 << 20;
/// The server shows every 15 seconds that it lives.
const SILENCE_MAX: Duration = Duration::from_secs(60);

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

/// How an image is built.
#[derive(Debug, Clone, Default)]
pub struct ImageBuild {
    /// Path of the Dockerfile in the context; `Dockerfile` when absent.
    pub dockerfile: Option<String>,
    /// The stage that is wanted; the last one when absent.
    pub target: Option<String>,
    /// The platform that the image is for.
    pub platform: Option<String>,
    /// What its commands may reach.
    pub network: Option<String>,
    /// Values of the Dockerfile's `ARG`s.
    pub args: Vec<(String, String)>,
}

impl ImageBuild {
    fn pairs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let args = self.args.iter().map(|(name, value)| ("buildArg", format!("{name}={value}")));
        let texts = [
            ("dockerfile", &self.dockerfile),
            ("target", &self.target),
            ("platform", &self.platform),
            ("network", &self.network),
        ];
        args.chain(texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))))
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

    /// `POST /images`: has the server fetch an image from its registry; `progress` is called whenever the server says how far it
    /// is, at the end too. Dropped before the end, it is given up.
    ///
    /// # Errors
    /// When the registry or the server refuses, or the connection is lost.
    pub async fn image_pull(
        &self,
        pull: &PullImage,
        progress: impl FnMut(&PullProgress),
    ) -> Result<Image, ClientError> {
        let request = self.request(Method::POST, self.url(&["images"])).json(pull);
        self.told(request, progress).await
    }

    /// `POST /images/build?name=`: sends the context of a build, a tar, and has the server build it; `progress` is called with what it
    /// writes, piece by piece. Dropped before the end, it is given up.
    ///
    /// # Errors
    /// When the context cannot be read, the build or one of its steps fails, or the connection is lost.
    pub async fn image_build(
        &self,
        name: &ImageName,
        build: &ImageBuild,
        context: Content,
        progress: impl FnMut(&BuildProgress),
    ) -> Result<Image, ClientError> {
        let mut url = self.url(&["images", "build"]);
        url.query_pairs_mut().append_pair("name", name.as_str()).extend_pairs(build.pairs());
        let request = self.request(Method::POST, url).header(CONTENT_TYPE, "application/x-tar");
        let pieces = context.map(|piece| piece.map_err(ReadError));
        self.told(request.body(Body::wrap_stream(pieces)), progress).await
    }

    /// `POST /images/:name/push`: has the server push an image to a registry; `progress` is called whenever the server says how
    /// far it is, at the end too. Dropped before the end, it is given up.
    ///
    /// # Errors
    /// When the registry or the server refuses, or the connection is lost.
    pub async fn image_push(
        &self,
        name: &ImageName,
        push: &PushImage,
        progress: impl FnMut(&PushProgress),
    ) -> Result<PushedImage, ClientError> {
        let request = self.request(Method::POST, self.url(&["images", name.as_str(), "push"])).json(push);
        self.told(request, progress).await
    }

    /// What an answer that is told line by line says in the end.
    async fn told<L: ProgressLine + DeserializeOwned>(
        &self,
        request: RequestBuilder,
        mut progress: impl FnMut(&L),
    ) -> Result<L::Made, ClientError> {
        let request = request.header(ACCEPT, "application/x-ndjson");
        let response = request.send().await.map_err(|error| self.lost(error))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let mut lines = Lines { client: self, response, unread: Vec::new() };
        loop {
            let mut line: L = lines.next().await?;
            let end = line.end();
            progress(&line);
            if let Some(end) = end {
                return end.map_err(|error| ClientError::Api(Box::new(ApiError::new(200, None, error))));
            }
        }
    }

    /// `DELETE /images/:name`.
    ///
    /// # Errors
    /// When there is no such image, or a sandbox uses it.
    pub async fn image_delete(&self, name: &ImageName) -> Result<Deleted, ClientError> {
        self.act(Method::DELETE, self.url(&["images", name.as_str()])).await
    }
}

/// Lines of progress.
struct Lines<'a> {
    client: &'a Client,
    response: Response,
    unread: Vec<u8>,
}

impl Lines<'_> {
    async fn next<T: DeserializeOwned>(&mut self) -> Result<T, ClientError> {
        let wrong = |detail: &str| ClientError::Protocol {
            url: self.client.base_url().to_owned(),
            detail: detail.to_owned(),
        };
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .map_err(|_| wrong("a line of its progress is malformed"));
            }
            if self.unread.len() > LINE_BYTES_MAX {
                return Err(wrong("a line of its progress is too long"));
            }
            match tokio::time::timeout(SILENCE_MAX, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => self.unread.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Err(wrong("its progress ended before it was done")),
                Ok(Err(error)) => return Err(self.client.lost(error)),
                Err(_) => return Err(wrong("its progress fell silent")),
            }
        }
    }
}
