//! The audit log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Id.
    pub id: String,
    /// Number on its machine, from 1, without gaps.
    pub seq: u64,
    /// Id of the machine.
    pub node: String,
    /// RFC 3339.
    pub time: String,
    /// `user`, `system` (Atoll itself) or `nobody` (who failed to log in).
    pub actor: String,
    /// Who acted, or whose sandbox Atoll acted on.
    pub user_id: Option<String>,
    /// As `sandbox.create`.
    #[schema(example = "sandbox.create")]
    pub action: String,
    /// Id or name of what it was done to.
    pub target: Option<String>,
    /// `accepted` (written down together with the change, or before the act), `done`, `refused` or `failed`.
    pub outcome: String,
    /// The error code, where it was refused or failed.
    pub code: Option<String>,
    /// Trace id of the request.
    pub trace_id: Option<String>,
    /// Address that the request came from.
    pub address: Option<String>,
    /// More, by name.
    pub detail: BTreeMap<String, String>,
    /// SHA-256 over the hash of the entry before and this one.
    pub hash: String,
}

/// Answer to `GET /admin/audit/verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditCheck {
    /// Whether every entry is as it was written.
    pub intact: bool,
    /// Entries that were looked at.
    pub entries: u64,
    /// The first that is held; older ones were removed for their age.
    pub first_seq: u64,
    /// The last that is right.
    pub last_seq: u64,
    /// Its hash: keep both elsewhere, and give them to the next check.
    pub last_hash: String,
    /// The first entry that is not right.
    pub broken_seq: Option<u64>,
    /// What is wrong with it.
    pub reason: Option<String>,
}

/// Something that happened: the data of a server-sent event of `GET /events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// To go on after it, as `Last-Event-ID`.
    pub id: String,
    /// As `sandbox.changed`.
    #[serde(rename = "type")]
    #[schema(example = "sandbox.changed")]
    pub kind: String,
    /// RFC 3339.
    pub time: String,
    /// The sandbox that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_id: Option<String>,
    /// More, by name: of a sandbox `status`, `before` and `name`; of an exec `execId`, `status` and `exitCode`.
    pub data: BTreeMap<String, String>,
}
