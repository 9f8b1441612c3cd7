//! What whoever asks may do, and by what.

use atoll_engine::Means;
use atoll_types::{ErrorCode, Scopes, SessionId};
use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;

use super::scopes::needed;
use crate::answer::ApiFailure;

/// What the token or key of this request may do. Only [`super::authenticate`] makes one.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// All, but for keys.
    pub(crate) scopes: Scopes,
    /// Of a token.
    pub(crate) session: Option<SessionId>,
    /// What may be taken back.
    pub(crate) means: Means,
}

impl Grant {
    /// All that there is.
    pub(super) const WHOLE: Self = Self { scopes: Scopes::ALL, session: None, means: Means::Nothing };

    /// Refuses a key that has not the scope of this route.
    pub(crate) fn check(&self, method: &Method, route: &str) -> Result<(), ApiFailure> {
        let may = needed(method, route).map_or(self.scopes == Scopes::ALL, |scope| self.scopes.has(scope));
        if may {
            return Ok(());
        }
        let scope = needed(method, route).map_or("that this needs", |scope| scope.as_str());
        let text = format!("this key has not the scope {scope}; it has: {}", self.scopes);
        Err(ApiFailure::new(ErrorCode::MissingScope, text))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Grant {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiFailure> {
        let missing = || ApiFailure::internal("a handler asks for a grant on a public route");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}
