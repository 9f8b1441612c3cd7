//! Entries of the audit log: who did what to which thing, and how that went.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{AuditId, ErrorCode, NodeId, Timestamp, UserId};

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditActor {
    /// A user, by a token or a key.
    User,
    /// Atoll itself: a life or an idle time was over.
    System,
    /// Nobody who is known: a log-in that failed.
    Nobody,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// Written down together with what was asked, or before it was begun; if it fails later, another entry says so.
    Accepted,
    /// It was done.
    Done,
    /// It was not allowed.
    Refused,
    /// It failed.
    Failed,
}

impl AuditOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Done, Self::Refused, Self::Failed];

    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl AuditActor {
    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Nobody => "nobody",
        }
    }
}

/// One entry. It is hashed in the form that serde gives it, so fields are only ever added, and left out where they are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Id.
    pub id: AuditId,
    /// On which machine.
    pub node: NodeId,
    /// When.
    pub at: Timestamp,
    /// Who acted.
    pub actor: AuditActor,
    /// Whose it is: of the user who acted, or whose things Atoll acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// What was done, as `sandbox.create`.
    pub action: String,
    /// Id or name of what it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How it went.
    pub outcome: AuditOutcome,
    /// Why it was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// Trace id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// More, by name; no output, and no value of a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
}
