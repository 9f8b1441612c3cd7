//! `/sessions`: anonymous sandboxes for a public web page.
//!
//! There is no token: the id of a session is long and signed, and whoever has it is in the session. It stands in the path, so it
//! is written to no log; the audit log has the id of the sandbox, which is its first part and opens nothing.

pub(crate) mod attach;
pub(crate) mod class_link;
mod class_token;
mod commands;
pub(crate) mod create;
pub(crate) mod delete;
mod guard;
mod keys;
mod layer;
pub(crate) mod list;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Uri, header};

use crate::access::is_from_here;
use crate::limit::Rate;

pub(crate) use commands::{Lines, Passed};
pub(crate) use guard::Sessions;
pub use keys::SessionKeys;
pub(crate) use keys::sandbox_part;
pub(crate) use layer::limit_sessions;

/// What the operator decided about public sessions, as far as clients go.
#[derive(Debug, Clone)]
pub struct PublicSessions {
    /// Sites whose pages may begin sessions, as browsers name them.
    pub origins: Vec<String>,
    /// Sessions that one address may have at once.
    pub per_address: u32,
    /// How many it may begin; `None`: no limit.
    pub rate: Option<Rate>,
    /// Commands of a session; `None`: no limit.
    pub commands: Option<Rate>,
    /// Sessions at once, of everybody: no class link gives more.
    pub sessions_max: u32,
    /// Sign the ids of sessions and class links.
    pub keys: Arc<SessionKeys>,
}

impl PublicSessions {
    /// Whether the request comes from no page, from one of this server, or from one of a site that may.
    fn welcomes(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let listed = |origin: &HeaderValue| self.origins.iter().any(|site| origin == site);
        headers.get(header::ORIGIN).is_some_and(listed) || is_from_here(headers, uri)
    }
}
