//! Environments: named, versioned definitions of sandboxes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Definition;

/// How many sandboxes are kept ready, at most what the server's `warmPoolMax` says; 0: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum WarmPool {
    /// So many.
    Size(u32),
    /// By demand between two bounds.
    Range {
        /// Fewest, also when nobody asks.
        min: u32,
        /// Most, however many ask.
        max: u32,
    },
}

/// An environment with its newest version.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Number of its newest version, from 1.
    pub version: u32,
    /// RFC 3339: when it was made.
    pub created_at: String,
    /// RFC 3339: when its newest version was made.
    pub updated_at: String,
    /// What the newest version says.
    #[serde(flatten)]
    pub definition: Definition,
}

/// One version of an environment; it never changes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentVersion {
    /// Its number.
    pub version: u32,
    /// RFC 3339: when it was made.
    pub created_at: String,
    /// What it says.
    #[serde(flatten)]
    pub definition: Definition,
}

/// What two versions of an environment differ in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentDiff {
    /// The first.
    pub from: u32,
    /// The second.
    pub to: u32,
    /// The fields that differ, by name.
    pub changes: Vec<EnvironmentChange>,
}

/// A field that two versions have differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentChange {
    /// Its name; variables and labels are told one by one.
    #[schema(example = "env.NGINX_HOST")]
    pub field: String,
    /// In the first; null where it says nothing.
    pub from: serde_json::Value,
    /// In the second; null where it says nothing.
    pub to: serde_json::Value,
}
