//! Image content on the node.

use std::fs::File;

use async_trait::async_trait;
use atoll_types::{ImageConfig, ImageDigest};

use crate::RuntimeError;

/// An archive that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// SHA-256 of the archive.
    pub digest: ImageDigest,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// What the image says of itself; nothing where the archive was that of a root file system.
    pub config: Option<ImageConfig>,
}

/// Why an image could not be imported or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImagesError {
    /// The archive is malformed, not a root file system, or larger than allowed; nothing was kept.
    #[error("{0}")]
    BadArchive(String),
    /// A sandbox still runs on it.
    #[error("a sandbox still uses this image")]
    InUse,
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Image content on the node. Calls are idempotent.
#[async_trait]
pub trait Images: std::fmt::Debug + Send + Sync {
    /// Unpacks an archive (a regular file: the tar of a root file system, of an OCI image layout or of `docker save`, plain
    /// or compressed by gzip or zstd) of at most `max_bytes` unpacked.
    async fn import(&self, archive: File, max_bytes: u64) -> Result<Imported, ImagesError>;
    /// The images whose files are on the node, whatever the records say.
    async fn list(&self) -> Result<Vec<ImageDigest>, ImagesError>;
    /// Removes the files of an image.
    async fn remove(&self, digest: &ImageDigest) -> Result<(), ImagesError>;
}
