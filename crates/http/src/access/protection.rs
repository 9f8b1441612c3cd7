//! What the operator decided about clients.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use ipnet::IpNet;

use super::same_origin::is_from_here;
use crate::limit::RateLimits;
use crate::public_sessions::PublicSessions;

/// How the API looks at its clients.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether browsers send the refresh cookie over HTTPS alone: where clients come by it.
    pub secure_cookie: bool,
    /// How often who may ask.
    pub limits: RateLimits,
    /// Other sites whose pages may use this API, as browsers name them: `https://app.example.com`.
    pub cors_origins: Vec<String>,
    /// Public sessions, where there are any.
    pub sessions: Option<PublicSessions>,
}

impl Protection {
    /// Whether the request comes from no page, from one of this server, or from one of a site that may.
    pub(crate) fn welcomes(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let listed = |origin: &HeaderValue| self.cors_origins.iter().any(|site| origin == site);
        let is_listed = headers.get(header::ORIGIN).is_some_and(listed);
        is_listed || is_from_here(headers, uri)
    }
}
