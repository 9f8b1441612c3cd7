//! Builds of images from Dockerfiles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::time::Duration;

use async_trait::async_trait;
use atoll_types::{ImageDigest, Network};

use crate::RuntimeError;

/// What is to be built.
#[derive(Debug)]
pub struct BuildSource {
    /// The context: a regular file with a tar, plain or compressed by gzip. It has no name anywhere.
    pub context: File,
    /// Path of the Dockerfile in it.
    pub dockerfile: String,
    /// Values of the Dockerfile's `ARG`s.
    pub args: BTreeMap<String, String>,
    /// The stage that is wanted; the last one where nothing is said.
    pub target: Option<String>,
    /// The platform that is wanted, such as `linux/amd64`; this host's where nothing is said.
    pub platform: Option<String>,
}

/// How it is built.
#[derive(Debug)]
pub struct BuildOrder {
    /// Which image has each of the names that [`ImageBuilder::images`] told.
    pub images: BTreeMap<String, ImageDigest>,
    /// What the commands of the Dockerfile may reach.
    pub network: Network,
    /// How long it may take.
    pub time: Duration,
    /// Bytes that the image may have.
    pub bytes_max: u64,
    /// A regular file for the image, which takes the place of what it holds: as `docker save` writes it.
    pub into: File,
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildProgress<'a> {
    /// An image that it needs is pulled.
    Pulling(&'a str),
    /// Something was written by its steps.
    Output(&'a str),
    /// It is built, and unpacked.
    Unpacking,
}

/// Why nothing was built. Nothing is left of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The context is hostile, broken or no tar, or has no such Dockerfile.
    #[error("{0}")]
    BadContext(String),
    /// The context is too large.
    #[error("{0}")]
    TooLarge(String),
    /// The Dockerfile is wrong, or asks for what no build has.
    #[error("{0}")]
    BadDockerfile(String),
    /// One of its steps failed, or it took too long.
    #[error("{0}")]
    Failed(String),
    /// There are as many builds as there may be.
    #[error("{0}")]
    TooMany(String),
    /// What is there builds no images.
    #[error("{0}")]
    Unsupported(String),
    /// What builds failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Builds images.
#[async_trait]
pub trait ImageBuilder: std::fmt::Debug + Send + Sync {
    /// The names of the images that a Dockerfile needs.
    async fn images(&self, source: &BuildSource) -> Result<BTreeSet<String>, BuildError>;
    /// Builds one. `output` gets what its steps write, piece by piece.
    ///
    /// Dropped before it is done, the build is given up and what is left of it is removed.
    async fn build(
        &self,
        source: &BuildSource,
        order: BuildOrder,
        output: &(dyn for<'t> Fn(&'t str) + Send + Sync),
    ) -> Result<(), BuildError>;
}
