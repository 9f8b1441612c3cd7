//! Execs: start, drain into the log, stream, look at, write to, signal.
//!
//! ```text
//!  request ─► LiveExec ─► drain task ─► agent                  one drain per exec, it alone writes
//!                ▲            │ events
//!                │            ├─► log on disk ─► acknowledged to the agent, never before
//!            progress ◄───────┘
//!                │
//!   waiting request, streams: woken by progress, read the log, each at its own pace
//! ```
//! The death of serve cuts the drain; the agent keeps what was not acknowledged, and boot starts the drain again.

mod acks;
mod capture;
mod drain;
mod end;
mod events;
mod input;
mod live;
mod output;
mod read;
mod recover;
mod start;

pub(crate) use acks::Acks;
pub(crate) use live::{LiveExec, LiveExecs};
pub(crate) use start::environment;
