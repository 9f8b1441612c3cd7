//! The audit log, and usage.

use atoll_api_types::{AuditCheck, AuditEntry, MetricsHistory, QuotaBody, Usage, UserQuota};
use atoll_types::{SandboxId, UserId};
use reqwest::Method;

use crate::transport::REQUEST_TIMEOUT;
use crate::{Client, ClientError, Page};

/// Which entries of the audit log.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Entries of a page.
    pub limit: Option<u32>,
    /// Only of this user.
    pub user: Option<String>,
    /// Only this action, or with a dot at its end an area.
    pub action: Option<String>,
    /// Only about this.
    pub target: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Only from this moment on, RFC 3339.
    pub since: Option<String>,
    /// Only before this moment, RFC 3339.
    pub until: Option<String>,
}

impl Client {
    /// `GET /audit`, one page, newest first.
    ///
    /// # Errors
    /// When a part of the query is wrong, or it asks for another's as no admin.
    pub async fn audit_list(
        &self,
        query: &AuditQuery,
        cursor: Option<&str>,
    ) -> Result<Page<AuditEntry>, ClientError> {
        let mut url = self.url(&["audit"]);
        let limit = query.limit.map(|limit| limit.to_string());
        let rows = [
            ("limit", &limit),
            ("user", &query.user),
            ("action", &query.action),
            ("target", &query.target),
            ("outcome", &query.outcome),
            ("since", &query.since),
            ("until", &query.until),
        ];
        for (name, value) in rows {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        self.get_page(url, cursor).await
    }

    /// `GET /admin/audit/verify`. `kept` is the number and the hash of an entry that was kept elsewhere.
    ///
    /// # Errors
    /// When the caller is no admin.
    pub async fn audit_verify(&self, kept: Option<(u64, &str)>) -> Result<AuditCheck, ClientError> {
        let mut url = self.url(&["admin", "audit", "verify"]);
        if let Some((seq, hash)) = kept {
            url.query_pairs_mut().append_pair("seq", &seq.to_string()).append_pair("hash", hash);
        }
        self.get_data(url).await
    }

    /// `GET /usage`.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn usage(&self) -> Result<Usage, ClientError> {
        self.get_data(self.url(&["usage"])).await
    }

    /// `GET /admin/quotas/:user`.
    ///
    /// # Errors
    /// When the caller is no admin, or there is no such user.
    pub async fn user_quota(&self, user: &UserId) -> Result<UserQuota, ClientError> {
        self.get_data(self.url(&["admin", "quotas", user.as_str()])).await
    }

    /// `PUT /admin/quotas/:user`.
    ///
    /// # Errors
    /// When the caller is no admin, there is no such user, or a number is beyond its bounds.
    pub async fn set_user_quota(&self, user: &UserId, quota: &QuotaBody) -> Result<UserQuota, ClientError> {
        let url = self.url(&["admin", "quotas", user.as_str()]);
        let request = self.request(Method::PUT, url).json(quota).timeout(REQUEST_TIMEOUT);
        Ok(self.send::<atoll_api_types::Success<UserQuota>>(request).await?.data)
    }

    /// `GET /sandboxes/:id/metrics/history`, by `10s` or `1m`.
    ///
    /// # Errors
    /// When there is no such sandbox.
    pub async fn metrics_history(
        &self,
        sandbox: &SandboxId,
        resolution: &str,
    ) -> Result<MetricsHistory, ClientError> {
        let mut url = self.url(&["sandboxes", sandbox.as_str(), "metrics", "history"]);
        url.query_pairs_mut().append_pair("resolution", resolution);
        self.get_data(url).await
    }
}
