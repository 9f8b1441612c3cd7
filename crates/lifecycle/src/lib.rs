//! Pure decisions about a sandbox: no I/O, no clock, no store.
//!
//! ```text
//!   asked (desired) ──┐
//!   seen (observed) ──┼──► status   what people are shown
//!   operation ────────┘
//!   request  × record ──► Decision  accepted, already done, or denied with a reason
//!   record   × found  ──► Action    what the reconciler does about it
//! ```
//! The engine acts on what these functions return and holds no rules of its own.

mod plan;
mod request;
mod status;

pub use plan::{Action, Found, plan};
pub use request::{Decision, Denial, Request, decide};
pub use status::{State, status};
