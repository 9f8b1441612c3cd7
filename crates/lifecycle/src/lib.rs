//! Pure decisions about a sandbox and its jobs: no I/O, no clock, no store.
//!
//! ```text
//!   asked (desired) ──┐
//!   seen (observed) ──┼──► status   what people are shown
//!   operation ────────┘
//!   request  × record ──► Decision  accepted, already done, or denied with a reason
//!   record   × found  ──► Action    what the reconciler does about it
//!   job      × sandbox ─► JobAction what its driver does next
//! ```
//! The engine acts on what these functions return and holds no rules of its own.

mod job;
mod plan;
mod request;
mod status;

pub use job::{AfterRun, JobAction, JobState, SandboxSeen, after_run, job_plan, job_status};
pub use plan::{Action, Found, plan};
pub use request::{Decision, Denial, Request, decide};
pub use status::{State, status};
