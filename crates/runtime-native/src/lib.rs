//! Host side of the native runtime: the launcher's client.
//!
//! ```text
//! NativeRuntime (handle, cheap to clone) ── calls ──► Service::run, one task ── packets ──► launcher
//!                                        ◄─ answers ─                        ◄─ events ───
//! ```
//! The service owns the one connection. It numbers requests, matches answers, and connects again with back-off when the
//! launcher dies: its sandboxes live on, and a new launcher takes the same socket. Every call is idempotent, so what had
//! no answer is asked once more; what stays without one fails as unavailable.

mod convert;
mod dial;
mod handle;
mod images;
mod pending;
mod runtime;
mod service;

pub use handle::{NativeRuntime, Options};
pub use service::Service;
