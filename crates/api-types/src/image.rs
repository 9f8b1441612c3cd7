//! Images.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Name, unique.
    pub name: String,
    /// SHA-256 of the archive; null for `host`.
    pub digest: Option<String>,
    /// Bytes of its files; null for `host`.
    pub size_bytes: Option<u64>,
    /// RFC 3339; null for `host`.
    pub created_at: Option<String>,
}
