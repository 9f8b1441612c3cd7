//! The port of image content.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use atoll_launcher_protocol::{Answer, Call};
use atoll_ports::{Exported, ImageSize, Images, ImagesError, Imported, RuntimeError};
use atoll_types::ImageDigest;

use crate::NativeRuntime;
use crate::convert::{self, CallError};
use crate::handle::{IMPORT_TIME, PAGES_MAX};

#[async_trait]
impl Images for NativeRuntime {
    async fn import(&self, archive: File, max_bytes: u64) -> Result<Imported, ImagesError> {
        let descriptor = Arc::new(OwnedFd::from(archive));
        let call = Call::ImportImage { max_bytes };
        match self.call_with(call, Some(descriptor), IMPORT_TIME).await.map_err(convert::import)?.0 {
            Answer::Imported { digest, bytes, config } => {
                Ok(Imported { digest, size_bytes: bytes, config: config.map(|config| *config) })
            }
            other => Err(convert::import(CallError::unexpected(&other))),
        }
    }

    async fn export(
        &self,
        digest: &ImageDigest,
        into: File,
        max_bytes: u64,
    ) -> Result<Exported, ImagesError> {
        let descriptor = Arc::new(OwnedFd::from(into));
        let call = Call::ExportImage { digest: digest.clone(), max_bytes };
        match self.call_with(call, Some(descriptor), IMPORT_TIME).await.map_err(convert::import)?.0 {
            Answer::Exported { digest, diff_id, bytes } => Ok(Exported { digest, diff_id, bytes }),
            other => Err(convert::import(CallError::unexpected(&other))),
        }
    }

    async fn known_layers(&self, digests: &[ImageDigest]) -> Result<usize, ImagesError> {
        let call = Call::KnownLayers { digests: digests.to_vec() };
        match self.call(call).await.map_err(convert::import)? {
            Answer::KnownLayers { count } => Ok(usize::try_from(count).unwrap_or(0)),
            other => Err(convert::import(CallError::unexpected(&other))),
        }
    }

    async fn sizes(&self) -> Result<HashMap<ImageDigest, ImageSize>, ImagesError> {
        let all = self.images().await?;
        Ok(all.into_iter().filter_map(|(digest, size)| Some((digest, size?))).collect())
    }

    async fn list(&self) -> Result<Vec<ImageDigest>, ImagesError> {
        Ok(self.images().await?.into_iter().map(|(digest, _)| digest).collect())
    }

    async fn remove(&self, digest: &ImageDigest) -> Result<(), ImagesError> {
        let call = Call::RemoveImage { digest: digest.clone() };
        match self.call(call).await.map_err(convert::remove_image)? {
            Answer::Done => Ok(()),
            other => Err(convert::remove_image(CallError::unexpected(&other))),
        }
    }
}

impl NativeRuntime {
    /// The images, and what they take where the launcher says so.
    async fn images(&self) -> Result<Vec<(ImageDigest, Option<ImageSize>)>, ImagesError> {
        let mut all: Vec<(ImageDigest, Option<ImageSize>)> = Vec::new();
        for _page in 0..PAGES_MAX {
            let call = Call::ListImages { after: all.last().map(|(digest, _)| digest.clone()) };
            match self.call(call).await.map_err(convert::import)? {
                Answer::Images { digests, sizes, more } => {
                    let ended = !more || digests.is_empty();
                    let mut sizes = sizes.into_iter().map(convert::image_size);
                    all.extend(digests.into_iter().map(|digest| (digest, sizes.next())));
                    if ended {
                        return Ok(all);
                    }
                }
                other => return Err(convert::import(CallError::unexpected(&other))),
            }
        }
        Err(RuntimeError::Failed("the launcher's list of images has no end".to_owned()).into())
    }
}
