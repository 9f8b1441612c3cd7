//! Secrets of an environment. A value goes in and never comes out.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /environments/:id/secrets`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretBody {
    /// Name of the variable in which processes find it.
    #[schema(example = "API_KEY")]
    pub key: String,
    /// Its value, at most 32 KiB; nobody is shown it again.
    #[schema(example = "super-secret-value", write_only)]
    pub value: String,
}

impl fmt::Debug for SecretBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretBody").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A secret of an environment, without its value.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Name of the variable.
    pub key: String,
    /// RFC 3339: when it was first set.
    pub created_at: String,
    /// RFC 3339: when it was last set.
    pub updated_at: String,
}

/// Answer to `POST /admin/master-key/rotate`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotatedMasterKey {
    /// Id of the master key that seals now; tells nothing of the key.
    pub key_id: String,
    /// Secrets that were sealed anew.
    pub resealed: u64,
    /// Secrets that no master key opens: they stay as they are, and have to be set again.
    pub unreadable: u64,
}
