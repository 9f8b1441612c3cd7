//! Accounts and API keys.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /auth/login`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// Address of the account.
    #[schema(example = "demo@example.com")]
    pub email: String,
    /// 8 to 1024 characters.
    #[schema(example = "password123", min_length = 8, max_length = 1024)]
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    /// Never shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("email", &self.email).finish_non_exhaustive()
    }
}

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Id.
    pub id: String,
    /// Address.
    pub email: String,
    /// `user` or `admin`.
    pub role: String,
    /// RFC 3339.
    pub created_at: String,
}

/// Answer to sign-up and log-in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthData {
    /// The account.
    pub user: User,
    /// Bearer token.
    pub token: String,
    /// RFC 3339: when the token ends.
    pub expires_at: String,
    /// For `POST /auth/refresh`, good once; a page of a browser gets it as a cookie instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// Body of `POST /api-keys`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateApiKey {
    /// Name for people, 1 to 63 characters.
    #[schema(example = "Development Key", min_length = 1, max_length = 63)]
    pub name: String,
    /// The key stops working after so many seconds; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// What it may: `sandboxes:read`, `sandboxes:write`, and the same of `images`, `environments`, `secrets`, `keys` and
    /// `account`; `admin`. Write has read in it. All but `admin` when absent; never more than whoever makes it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["sandboxes:read"]))]
    pub scopes: Option<Vec<String>>,
}

/// An API key, without the key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// First characters of the key.
    pub prefix: String,
    /// What it may.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: Option<String>,
    /// RFC 3339, to the minute.
    pub last_used_at: Option<String>,
}

/// Answer to `POST /api-keys`: the only time that the key is shown.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedApiKey {
    /// What `GET /api-keys` shows.
    #[serde(flatten)]
    pub info: ApiKey,
    /// The key, `sk_…`.
    pub key: String,
}

/// Body of `POST /auth/signup`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignUp {
    /// Address of the account.
    #[schema(example = "demo@example.com")]
    pub email: String,
    /// 8 to 1024 characters.
    #[schema(example = "password123", min_length = 8, max_length = 1024)]
    pub password: String,
    /// An invitation, `inv_…`, where sign-up is not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<String>,
}

impl std::fmt::Debug for SignUp {
    /// Never shows the password or the invitation.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignUp").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Body of `POST /auth/refresh`.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshBody {
    /// The refresh token; absent where the cookie has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

impl std::fmt::Debug for RefreshBody {
    /// Never shows the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshBody").finish_non_exhaustive()
    }
}

/// Body of `POST /auth/password`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangePassword {
    /// The password until now.
    pub current_password: String,
    /// 8 to 1024 characters.
    #[schema(min_length = 8, max_length = 1024)]
    pub new_password: String,
}

impl std::fmt::Debug for ChangePassword {
    /// Never shows a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangePassword").finish_non_exhaustive()
    }
}

/// A log-in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Id.
    pub id: String,
    /// Whether this request came with it.
    pub current: bool,
    /// Address that it was last refreshed from.
    pub address: String,
    /// What the client says that it is.
    pub agent: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339: the last refresh.
    pub used_at: String,
    /// RFC 3339: when it ends unless it is refreshed.
    pub expires_at: String,
}
