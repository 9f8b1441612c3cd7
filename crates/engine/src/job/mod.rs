//! Background jobs: commands that start again by themselves, as their policy says.
//!
//! ```text
//!  request ─► record ─► driver ─► run ─► run ─► run           one driver per job, it alone begins runs
//!               ▲          │       └─ each an ordinary exec: drained, logged, streamed, taken up by the next serve
//!               └──────────┘ every step is written down before it is made
//! ```
//! A run has its id in the record before it is begun, so whoever comes after a crash finds what was done: a run that its
//! agent or the store knows is followed, one that nobody knows is begun under that id. The driver takes no input but the
//! record and the state of the sandbox; [`atoll_lifecycle::job_plan`] decides. It rests where there is nothing to do, and is
//! woken when the sandbox came up or down, when somebody wants the job gone, and by every reconcile.

mod drive;
mod logs;
mod remove;
mod request;
mod run;
mod table;

pub(crate) use table::Jobs;
