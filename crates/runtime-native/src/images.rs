//! The port of image content.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use atoll_launcher_protocol::{Answer, Call};
use atoll_ports::{Images, ImagesError, Imported, RuntimeError};
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

    async fn list(&self) -> Result<Vec<ImageDigest>, ImagesError> {
        let mut all: Vec<ImageDigest> = Vec::new();
        for _page in 0..PAGES_MAX {
            let call = Call::ListImages { after: all.last().cloned() };
            match self.call(call).await.map_err(convert::import)? {
                Answer::Images { digests, more, .. } => {
                    let ended = !more || digests.is_empty();
                    all.extend(digests);
                    if ended {
                        return Ok(all);
                    }
                }
                other => return Err(convert::import(CallError::unexpected(&other))),
            }
        }
        Err(RuntimeError::Failed("the launcher's list of images has no end".to_owned()).into())
    }

    async fn remove(&self, digest: &ImageDigest) -> Result<(), ImagesError> {
        let call = Call::RemoveImage { digest: digest.clone() };
        match self.call(call).await.map_err(convert::remove_image)? {
            Answer::Done => Ok(()),
            other => Err(convert::remove_image(CallError::unexpected(&other))),
        }
    }
}
