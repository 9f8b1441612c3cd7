//! Registries of images.

use std::fs::File;
use std::time::Duration;

use async_trait::async_trait;
use atoll_types::{ImageConfig, ImageDigest, ImageReference, SandboxTemplate};

use crate::{Exported, Images};

/// An image that was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// An OCI image layout as a tar, at its start. It has no name anywhere: nothing is left of it once it is closed.
    pub archive: File,
    /// Layers that it leaves out, as they are here.
    pub left_out: usize,
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
        /// Bytes of those that are fetched, compressed.
        total_bytes: u64,
        /// Bytes of those that are here already, compressed.
        existing_bytes: u64,
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

/// An image that is to be pushed.
#[derive(Debug)]
pub struct Outgoing {
    /// Its one layer.
    pub layer: File,
    /// What the layer is.
    pub exported: Exported,
    /// What its sandboxes are where nothing else says.
    pub template: SandboxTemplate,
    /// What it said of itself when it came; of that only what is not in the template counts.
    pub config: Option<ImageConfig>,
    /// Whether the operator's credentials may be used.
    pub with_credentials: bool,
}

/// How far a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushProgress {
    /// The layer is made.
    Packing,
    /// Some of it is there.
    Pushed {
        /// Bytes of the layer.
        bytes: u64,
        /// Of so many.
        total_bytes: u64,
    },
    /// The registry has the layer already.
    Exists {
        /// Bytes of it.
        total_bytes: u64,
    },
}

/// An image that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// SHA-256 of its manifest.
    pub manifest: ImageDigest,
    /// Bytes of its layer, compressed.
    pub bytes: u64,
}

/// Why an image could not be fetched, of which nothing was kept, or not pushed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The reference names no registry, and there is no default.
    #[error("'{0}' names no registry: write REGISTRY/{0}, or set defaultRegistry")]
    NoRegistry(ImageReference),
    /// The registry has no such image.
    #[error("the registry has no image {0}")]
    NotFound(ImageReference),
    /// The registry wants other credentials, or any.
    #[error("the registry does not let {0} be used: {1}")]
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

/// Fetches images from registries, and pushes them there.
#[async_trait]
pub trait Registry: std::fmt::Debug + Send + Sync {
    /// Fetches an image for this host's processor, of at most `bytes_max` bytes as it is stored. Every part is checked against
    /// its digest. Layers that `known` has are left out, where there is one.
    async fn fetch(
        &self,
        reference: &ImageReference,
        bytes_max: u64,
        known: Option<&dyn Images>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<Fetched, RegistryError>;
    /// A file without a name, for a layer that is to be pushed.
    async fn scratch(&self) -> Result<File, RegistryError>;
    /// Whether an image may be pushed to where the reference says, before anything is made for it.
    async fn may_push(&self, reference: &ImageReference) -> Result<(), RegistryError>;
    /// Pushes an image, and gives it the reference's tag there. What the registry has already is not sent.
    async fn push(
        &self,
        reference: &ImageReference,
        image: Outgoing,
        progress: &(dyn Fn(PushProgress) + Send + Sync),
    ) -> Result<Pushed, RegistryError>;
}
