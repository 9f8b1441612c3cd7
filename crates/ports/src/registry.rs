//! Registries of images.

use std::fs::File;
use std::time::Duration;

use async_trait::async_trait;
use atoll_types::{ImageDigest, ImageReference};

/// An image that was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// An OCI image layout as a tar, at its start. It has no name anywhere: nothing is left of it once it is closed.
    pub archive: File,
    /// SHA-256 of the image's manifest.
    pub manifest: ImageDigest,
}

/// How far a pull is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullProgress {
    /// It is known what there is to fetch.
    Found {
        /// Layers.
        layers: u32,
        /// Bytes of all of them, compressed.
        total_bytes: u64,
    },
    /// Some of it is here.
    Fetched {
        /// Bytes of all layers.
        bytes: u64,
        /// Of so many.
        total_bytes: u64,
    },
    /// All is here, and it is unpacked.
    Unpacking,
}

/// Why an image could not be fetched. Nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The reference names no registry, and there is no default.
    #[error("'{0}' names no registry: write REGISTRY/{0}, or set defaultRegistry")]
    NoRegistry(ImageReference),
    /// The registry has no such image.
    #[error("the registry has no image {0}")]
    NotFound(ImageReference),
    /// The registry wants other credentials, or any.
    #[error("the registry does not let {0} be pulled: {1}")]
    Denied(ImageReference, String),
    /// The operator does not let it be used.
    #[error("the registry may not be used: {0}")]
    NotAllowed(String),
    /// It cannot be reached, or fails, also after several tries.
    #[error("the registry cannot be used: {0}")]
    Unavailable(String),
    /// It asks to be left alone for a while, also after several tries.
    #[error("the registry answers that there are too many requests")]
    Busy {
        /// When it may be asked again, where it says.
        retry_after: Option<Duration>,
    },
    /// What it sends is not what it should be.
    #[error("{0}")]
    Invalid(String),
    /// More than is allowed.
    #[error("the image has {bytes} bytes, and {max} are allowed (the setting maxImageSize)")]
    TooLarge {
        /// What it has, compressed.
        bytes: u64,
        /// What is allowed.
        max: u64,
    },
    /// No room for it here.
    #[error("the host's disk has no room for the image")]
    DiskFull,
    /// Something failed here.
    #[error("the image could not be written: {0}")]
    Failed(std::io::Error),
}

/// Fetches images from registries.
#[async_trait]
pub trait Registry: std::fmt::Debug + Send + Sync {
    /// Fetches an image for this host's processor, of at most `bytes_max` bytes as it is stored. Every part is checked against
    /// its digest.
    async fn fetch(
        &self,
        reference: &ImageReference,
        bytes_max: u64,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<Fetched, RegistryError>;
}
