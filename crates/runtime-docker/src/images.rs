//! The port of image content, where Docker is there too.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use atoll_broker_protocol::{Answer, Call};
use atoll_ports::{Exported, ImageSize, Images, ImagesError, Imported};
use atoll_types::ImageDigest;

use crate::convert::{self, CallError};
use crate::{Broker, IMPORT_TIME};

/// Image content of another runtime, which counts, and the same in Docker. What Docker does not take, or has missed while it was away, its
/// runtimes miss, and say so when a sandbox is to be made of it.
#[derive(Debug)]
pub struct DockerImages {
    first: Arc<dyn Images>,
    broker: Broker,
}

impl DockerImages {
    /// Beside those of another runtime.
    #[must_use]
    pub fn new(first: Arc<dyn Images>, broker: Broker) -> Self {
        Self { first, broker }
    }

    async fn listed(&self) -> Result<Vec<ImageDigest>, CallError> {
        self.broker
            .asked(IMPORT_TIME, async {
                let mut connection = self.broker.connect()?;
                connection.send(&Call::ListImages, &[]).await?;
                let mut all = Vec::new();
                loop {
                    match connection.receive().await? {
                        Answer::Images { digests, more } => {
                            all.extend(digests);
                            if !more {
                                return Ok(all);
                            }
                        }
                        _ => return Err(CallError::Unexpected),
                    }
                }
            })
            .await
    }
}

#[async_trait]
impl Images for DockerImages {
    async fn import(&self, archive: File, max_bytes: u64) -> Result<Imported, ImagesError> {
        let again = archive.try_clone();
        let imported = self.first.import(archive, max_bytes).await?;
        let call = Call::ImportImage { digest: imported.digest.clone() };
        let in_docker = match again {
            Ok(archive) => self.broker.call_with(&call, &archive).await.map_err(convert::images),
            Err(error) => Err(ImagesError::BadArchive(error.to_string())),
        };
        if let Err(error) = in_docker {
            tracing::warn!("the image {} is not in Docker: {error}", imported.digest);
        }
        Ok(imported)
    }

    /// Docker takes whole images alone.
    async fn known_layers(&self, _: &[ImageDigest]) -> Result<usize, ImagesError> {
        Ok(0)
    }

    async fn sizes(&self) -> Result<HashMap<ImageDigest, ImageSize>, ImagesError> {
        self.first.sizes().await
    }

    async fn export(
        &self,
        digest: &ImageDigest,
        into: File,
        max_bytes: u64,
    ) -> Result<Exported, ImagesError> {
        self.first.export(digest, into, max_bytes).await
    }

    async fn list(&self) -> Result<Vec<ImageDigest>, ImagesError> {
        let mut all = self.first.list().await?;
        // While Docker is away nothing can be said of its images; a later look finds them.
        for digest in self.listed().await.unwrap_or_default() {
            if !all.contains(&digest) {
                all.push(digest);
            }
        }
        Ok(all)
    }

    async fn remove(&self, digest: &ImageDigest) -> Result<(), ImagesError> {
        self.first.remove(digest).await?;
        match self.broker.call(&Call::RemoveImage { digest: digest.clone() }).await {
            Ok(_) => Ok(()),
            Err(CallError::Away(_)) => Ok(()),
            Err(error) => match convert::images(error) {
                ImagesError::Runtime(atoll_ports::RuntimeError::Unavailable(_)) => Ok(()),
                other => Err(other),
            },
        }
    }
}
