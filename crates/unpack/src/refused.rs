//! Why an archive is refused.

use std::io::ErrorKind;

use atoll_oci::{DOCUMENT_BYTES_MAX, LAYERS_MAX, NotChosen};
use atoll_types::InputError;

use crate::archive::ENTRIES_MAX;
use crate::names::BadName;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Not called by the launcher.
    #[error(
        "usage: atoll-unpack MAX_BYTES, with the archive as standard input; atoll-unpack pack MAX_BYTES, with a file"
    )]
    Usage,
    /// The file could not be read, or nothing written.
    #[error("the archive could not be read: {0}")]
    Unreadable(std::io::Error),
    /// Compressed in a way that is not known here.
    #[error("the archive is compressed, and neither by gzip nor by zstd: decompress it first")]
    Compressed,
    /// No tar.
    #[error("the archive is not a valid tar: {0}")]
    Malformed(std::io::Error),
    /// A path that is none.
    #[error("the archive is hostile or broken: {0}")]
    Name(#[from] BadName),
    /// A file could not be made.
    #[error("{path}: {error}")]
    File {
        /// Which, as the archive names it.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Too large.
    #[error("the archive unpacks to more than the {0} bytes that are allowed")]
    TooLarge(u64),
    /// A layer that is packed is too large.
    #[error("the layer takes more than the {0} bytes that are allowed")]
    LayerTooLarge(u64),
    /// Too many files.
    #[error("the archive holds more than {ENTRIES_MAX} files")]
    TooMany,
    /// Nothing in it.
    #[error("the archive is empty: it is no root file system")]
    Empty,
    /// A document of an image that is none.
    #[error("the image's {what} is malformed: {why}")]
    Document {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A document that is too long.
    #[error("the image's {0} has more than {DOCUMENT_BYTES_MAX} bytes")]
    LongDocument(&'static str),
    /// A part that is not there, or not whole.
    #[error("the archive is cut off or incomplete: {0} is missing")]
    Missing(String),
    /// A part that is not what it is said to be.
    #[error(
        "{what} is not what the image names: its digest is sha256:{found}, and sha256:{wanted} was to be expected"
    )]
    Digest {
        /// Which part.
        what: String,
        /// The digest that it has.
        found: String,
        /// The digest that it was to have.
        wanted: String,
    },
    /// None for this processor, or several.
    #[error("the archive cannot be used: {0}")]
    NotChosen(#[from] NotChosen),
    /// No image.
    #[error("the archive holds no image that can be run: {0}")]
    NoImage(&'static str),
    /// Too many layers.
    #[error("the image has more than {LAYERS_MAX} layers")]
    Layers,
    /// A layer is refused.
    #[error("layer {number} of the image: {why}")]
    Layer {
        /// From 1.
        number: usize,
        /// Why.
        why: Box<Self>,
    },
    /// Its configuration makes no sandbox.
    #[error("the image's configuration cannot be used: {0}")]
    Config(#[from] InputError),
    /// Its configuration is too long.
    #[error("the image's environment, command and ports take more than {0} bytes")]
    LongConfig(usize),
}

impl Refused {
    /// How the launcher is told: what is wrong with the archive is `refused`; that it is larger than allowed, `too_large`; and
    /// that the disk has no room, which is nobody's fault, `full`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::TooLarge(_) | Self::LayerTooLarge(_) => "too_large",
            Self::Layer { why, .. } => why.outcome(),
            Self::Unreadable(error) | Self::Malformed(error) | Self::File { error, .. } => match error.kind()
            {
                // Reading an archive takes no room.
                ErrorKind::StorageFull => "full",
                // The second fence of the launcher, see there.
                ErrorKind::QuotaExceeded => "too_large",
                _ => "refused",
            },
            _ => "refused",
        }
    }
}
