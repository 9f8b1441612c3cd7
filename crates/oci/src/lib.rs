//! Documents of OCI images: their bounds, their digests, and which image of several is this host's. No I/O.

mod choose;
mod document;

pub use choose::{NotChosen, choose, is_index, runs_here};
pub use document::{BadDigest, DOCUMENT_BYTES_MAX, INDEXES_MAX, LAYERS_MAX, digest_of, hexadecimal, sha256};
