//! Bounds and digests of documents.

use oci_spec::image::Descriptor;
use sha2::{Digest as _, Sha256};

/// Largest manifest, index or configuration, in bytes: what registries take.
pub const DOCUMENT_BYTES_MAX: u64 = 4 << 20;
/// Most layers: four times what Docker makes.
pub const LAYERS_MAX: usize = 512;
/// Indexes within indexes at most.
pub const INDEXES_MAX: usize = 4;

/// Something is named by another digest than SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it names something by another digest than SHA-256")]
pub struct BadDigest;

/// SHA-256, as lower-case hexadecimal digits.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 by which something is named: 64 lower-case hexadecimal digits.
///
/// # Errors
/// When it is named by another one.
pub fn sha256(descriptor: &Descriptor) -> Result<&str, BadDigest> {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let digits = descriptor.as_digest_sha256().ok_or(BadDigest)?;
    if digits.len() == 64 && digits.bytes().all(hexadecimal) { Ok(digits) } else { Err(BadDigest) }
}
