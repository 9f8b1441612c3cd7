//! The public API over HTTP and WebSocket.
//!
//! ```text
//! serve ── observe (trace id, readiness, panics, failures) ─┬─ public routes
//!                                                          └─ authenticate ── one handler per operation ── engine
//! ```
//!
//! A handler is three steps: check the body ([`convert`]), call the engine, show the answer ([`answer`]). Whatever fails
//! is an [`answer::ApiFailure`], which becomes the envelope in one place. The OpenAPI document is made from the
//! handlers' own types; `openapi/atoll.json` is its committed copy.

mod access;
mod admin;
mod answer;
mod api;
mod api_keys;
mod audit;
mod auth;
pub mod bounds;
mod convert;
mod environments;
mod events;
mod execs;
mod extract;
mod files;
mod health;
mod idempotent;
mod images;
mod jobs;
mod limit;
mod metrics;
mod observability;
mod openapi;
mod pages;
mod public_sessions;
mod router;
mod sandboxes;
mod serve;
mod socket;
mod terminal;
mod usage;

pub use access::{Access, Protection, TokenError, TokenKeys};
pub use api::{Api, ApiSettings};
pub use limit::{Rate, RateLimits};
pub use observability::{Observability, RequestLog, RequestSpan, SpanSink, describe_metrics};
pub use openapi::openapi;
pub use public_sessions::{PublicSessions, SessionKeys};
pub use router::router;
pub use serve::serve;
