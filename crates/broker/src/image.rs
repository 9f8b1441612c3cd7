//! Images of the installation, as Docker holds them.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use atoll_broker_protocol::{Failure, FailureKind};
use atoll_types::ImageDigest;
use atoll_unpack::{ForDocker, Refused};
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;

use crate::fail::{asked, asked_image, failure, unless};
use crate::names;
use crate::requests::Broker;

/// Bytes that are read from an archive at once, and pieces that wait to be sent.
const PIECE_BYTES: usize = 256 << 10;
const PIECES: usize = 4;
/// Bytes of an image that may be written out for Docker: beyond any. What the setting `maxImageSize` allows was counted when it was unpacked.
const IMAGE_BYTES_MAX: u64 = 1 << 40;

impl Broker {
    /// The archive has been unpacked in its cage before: what is malformed was refused there.
    pub(crate) async fn import_image(&self, digest: &ImageDigest, archive: File) -> Result<(), Failure> {
        if self.list_images().await?.contains(digest) {
            return Ok(());
        }
        let bad = |error: String| failure(FailureKind::BadArchive, error);
        let folder = self.links.folder().map_err(|error| bad(error.to_string()))?;
        let looked = spawn_blocking(move || {
            let readable = ForDocker::readable(archive, &folder, IMAGE_BYTES_MAX)?;
            Ok((ForDocker::of(&readable)?, Arc::new(readable)))
        });
        let looked = looked.await.map_err(|error| bad(error.to_string()))?;
        let (form, archive) = looked.map_err(|error: Refused| bad(error.to_string()))?;
        let docker = self.daemon.docker().await?;
        let installation = self.daemon.installation();
        let has_layers = form.has_layers();
        let body = bollard::body_try_stream(pieces(form, archive, names::image(installation, digest)));
        if has_layers {
            let options = ImportImageOptionsBuilder::default().quiet(true).build();
            return ended(docker.import_image(options, body, None)).await;
        }
        // The name as a whole: Podman looks at no tag beside it.
        let name = names::image(installation, digest);
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(&name).build();
        ended(docker.create_image(Some(options), Some(body), None)).await
    }

    pub(crate) async fn list_images(&self) -> Result<Vec<ImageDigest>, Failure> {
        let installation = self.daemon.installation();
        let filters = [("reference".to_owned(), vec![names::repository(installation)])].into();
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let all = asked(self.daemon.docker().await?.list_images(Some(options))).await?;
        let tags = all.into_iter().flat_map(|image| image.repo_tags);
        Ok(tags.filter_map(|tag| names::digest(installation, &tag)).collect())
    }

    pub(crate) async fn remove_image(&self, digest: &ImageDigest) -> Result<(), Failure> {
        let name = names::image(self.daemon.installation(), digest);
        let options = RemoveImageOptionsBuilder::default().build();
        let removed = self.daemon.docker().await?.remove_image(&name, Some(options), None).await;
        asked(async { unless(&[404], removed) }).await.map(drop)
    }
}

/// Waits until Docker has done it, which it tells step by step.
async fn ended<T>(steps: impl Stream<Item = Result<T, bollard::errors::Error>>) -> Result<(), Failure> {
    let mut steps = std::pin::pin!(steps);
    asked_image(async {
        while let Some(step) = steps.next().await {
            step?;
        }
        Ok(())
    })
    .await
}

/// What Docker is sent; it is read on a thread of its own, at the pace at which Docker takes it.
fn pieces(
    form: ForDocker,
    archive: Arc<File>,
    name: String,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, pieces) = mpsc::channel(PIECES);
    drop(spawn_blocking(move || {
        let mut read = match form.open(&archive, &name) {
            Ok(read) => read,
            Err(error) => return drop(sender.blocking_send(Err(io::Error::other(error)))),
        };
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let sent = match read.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => {
                    piece.truncate(length);
                    sender.blocking_send(Ok(piece.into()))
                }
                Err(error) => sender.blocking_send(Err(error)),
            };
            // Docker does not want more.
            if sent.is_err() {
                return;
            }
        }
    }));
    ReceiverStream::new(pieces)
}
