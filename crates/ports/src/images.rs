//! Image content on the node.

use std::collections::HashMap;
use std::fs::File;

use async_trait::async_trait;
use atoll_types::{ImageConfig, ImageDigest};

use crate::RuntimeError;

/// An archive that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What names the content: the SHA-256 of the archive or, where it has layers, made of theirs.
    pub digest: ImageDigest,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// What the image says of itself; nothing where the archive was that of a root file system.
    pub config: Option<ImageConfig>,
}

/// An image that was packed into one layer, a tar compressed by gzip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// SHA-256 of the layer as it was written.
    pub digest: ImageDigest,
    /// SHA-256 of the layer, decompressed.
    pub diff_id: ImageDigest,
    /// Bytes of the layer as it was written.
    pub bytes: u64,
}

/// What the files of an image take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// Bytes of its layers that other images have too.
    pub shared_bytes: u64,
    /// Bytes that go when it is removed.
    pub unique_bytes: u64,
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
    /// How many of an image's layers, from the lowest, are here: an archive may leave those out. The layers are named by the
    /// SHA-256 of their bytes as registries keep them.
    async fn known_layers(&self, digests: &[ImageDigest]) -> Result<usize, ImagesError>;
    /// What the images take, where that is known.
    async fn sizes(&self) -> Result<HashMap<ImageDigest, ImageSize>, ImagesError>;
    /// Packs the root of an image into one layer, which takes the place of what the file holds: a regular file that may be read
    /// and written. The same image is the same layer. `max_bytes` is what the layer may take.
    async fn export(&self, digest: &ImageDigest, into: File, max_bytes: u64)
    -> Result<Exported, ImagesError>;
    /// The images whose files are on the node, whatever the records say.
    async fn list(&self) -> Result<Vec<ImageDigest>, ImagesError>;
    /// Removes the files of an image.
    async fn remove(&self, digest: &ImageDigest) -> Result<(), ImagesError>;
}
