//! Images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::CommandBody;

/// An image.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
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
    /// What gets the command as its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Main process of its sandboxes, where nothing else says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandBody>,
    /// Variables of its sandboxes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where their processes begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// User of their processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}
