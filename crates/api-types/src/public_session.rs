//! Public sessions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer to `POST /sessions`: the only time that the id is shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublicSession {
    /// Id; whoever has it is in the session.
    pub id: String,
    /// Path of its terminal (a WebSocket), and of its end (`DELETE`).
    pub path: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339: when it ends at the latest.
    pub expires_at: String,
    /// Time without activity after which it ends, in seconds.
    pub idle_ttl_seconds: u64,
    /// CPU, in cores.
    pub cpu: f64,
    /// Memory, in MiB.
    pub memory: u64,
    /// Processes.
    pub pids: u32,
    /// Open files of a process.
    pub open_files: u64,
}

/// A public session, as an admin sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminSession {
    /// Id of its sandbox, which does not open it.
    pub id: String,
    /// Who holds it: `address-…`, the same for one network and no address that anybody could read, or `class-…`.
    pub holder: String,
    /// State of its sandbox.
    pub state: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: Option<String>,
}

/// Body of `POST /admin/class-links`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateClassLink {
    /// Sessions at once of all who have the link; 40 when absent, and no more than the server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub sessions: Option<u32>,
    /// How long it is good, in seconds; four hours when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 15_811_200)]
    pub expires_in_seconds: Option<u64>,
}

/// A class link, as an admin sees it. The link itself was shown when it was made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassLinkEntry {
    /// Id of the class, as `holder` of its sessions names it.
    pub id: String,
    /// Id of the account that made it.
    pub maker: String,
    /// Sessions at once.
    pub sessions: u32,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// Answer to `POST /admin/class-links`: the only time that the link is shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassLink {
    /// Id of the class, as `holder` of its sessions names it.
    pub id: String,
    /// Value of `class` in the query of `POST /sessions`.
    pub class: String,
    /// Path to post to.
    pub path: String,
    /// Sessions at once.
    pub sessions: u32,
    /// RFC 3339.
    pub expires_at: String,
}
