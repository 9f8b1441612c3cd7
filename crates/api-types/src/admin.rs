//! What admins see and change.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account, as an admin sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminUser {
    /// Id.
    pub id: String,
    /// Address.
    pub email: String,
    /// `user` or `admin`.
    pub role: String,
    /// Whether nobody logs in to it.
    pub disabled: bool,
    /// RFC 3339: since when.
    pub disabled_at: Option<String>,
    /// RFC 3339.
    pub created_at: String,
}

/// Body of `PATCH /admin/users/{id}`; what is absent stays.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeUser {
    /// `user` or `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Whether nobody logs in to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// A new password, 8 to 1024 characters: for somebody who forgot his.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 8, max_length = 1024)]
    pub password: Option<String>,
}

impl std::fmt::Debug for ChangeUser {
    /// Never shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { role, disabled, .. } = self;
        f.debug_struct("ChangeUser").field("role", role).field("disabled", disabled).finish_non_exhaustive()
    }
}

/// Body of `POST /admin/invitations`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateInvitation {
    /// The only address that it is good for; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Role of the account: `user` (the default) or `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// How long it is good, in seconds; seven days when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub expires_in_seconds: Option<u64>,
}

/// An open invitation, without the invitation itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// Id.
    pub id: String,
    /// The only address that it is good for.
    pub email: Option<String>,
    /// Role of the account.
    pub role: String,
    /// Id of the admin who invites.
    pub inviter: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// Answer to `POST /admin/invitations`: the only time that the invitation is shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedInvitation {
    /// What the list shows.
    #[serde(flatten)]
    pub info: Invitation,
    /// The invitation, `inv_…`.
    pub invitation: String,
}

/// A runtime of this machine.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminRuntime {
    /// `native`.
    pub name: String,
    /// `ok` or `unavailable`.
    pub status: String,
    /// Whether the disk limits of sandboxes are enforced.
    pub disk_limits: bool,
    /// Whether sandboxes can have a network, beside loopback.
    #[serde(default)]
    pub networks: bool,
    /// Whether sandboxes may ask for GPUs.
    #[serde(default)]
    pub gpus: bool,
    /// What an operator should know.
    pub notes: Vec<String>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorFinding {
    /// What it is: `runtime`, `storage`, `record`, `files`, `image`, `exec_log` or `master_key`.
    pub kind: String,
    /// Its name or id.
    pub name: String,
    /// What is wrong, for people.
    pub problem: String,
}

/// What the server can see that is wrong.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorReport {
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// Sandboxes that are up, paused ones and those that are kept ready among them.
    pub sandboxes_alive: usize,
    /// What is wrong, 1,000 at most.
    pub findings: Vec<DoctorFinding>,
    /// What was not looked at.
    pub notes: Vec<String>,
}
