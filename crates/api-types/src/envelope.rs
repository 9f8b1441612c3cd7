//! The envelope of every answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An answer to a request that succeeded.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Success<T> {
    /// Always true.
    pub success: bool,
    /// The answer.
    pub data: T,
}

impl<T> Success<T> {
    /// Wraps an answer.
    pub const fn new(data: T) -> Self {
        Self { success: true, data }
    }
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listing<T> {
    /// Always true.
    pub success: bool,
    /// The items, newest first unless the route says otherwise.
    pub data: Vec<T>,
    /// Give it as `cursor` to get the next page; null after the last.
    pub next_cursor: Option<String>,
}

/// An answer to a request that failed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Always false.
    pub success: bool,
    /// What went wrong.
    pub error: FailureBody,
}

/// What went wrong.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureBody {
    /// Stable code from the documented list.
    pub code: String,
    /// What happened and what would be right, for people.
    pub message: String,
    /// More for programs: a list of [`FieldError`] for `invalid_request`, `firstSeq` for `events_expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
    /// Finds this request in the log of the server.
    pub trace_id: String,
}

/// A field that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// Path of the field: `command`, `env.PATH`, `query.limit`, `path.id`.
    pub field: String,
    /// What would be right.
    pub message: String,
}

/// Something was removed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// What.
    pub id: String,
    /// Always true.
    pub deleted: bool,
}

/// Something was handed on to a running command.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// To which.
    pub id: String,
    /// Always true.
    pub accepted: bool,
}
