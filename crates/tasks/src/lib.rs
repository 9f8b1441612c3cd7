//! Supervised tasks: none is fire-and-forget, all stop in order.
//!
//! ```text
//! Tasks ── group "intake" ── task, task …      shutdown(deadline) goes down this list:
//!       ── group "drivers" ─ task, periodic …  cancel the group's token, wait for its tasks, next group;
//!       ── group "store" ─── task …            what is late at the deadline is aborted and reported by name
//! ```
//!
//! Every task has a [`Kind`], which says what happens to it on cancel and what its failure means. A panic in a task is
//! caught, logged and treated as a failure. A task that fails with [`OnFailure::ShutDown`] makes
//! [`Tasks::stop_requested`] return: the program's main function then calls [`Tasks::shutdown`].
//!
//! This is the only crate that may call `tokio::spawn`.

mod detached;
mod group;
mod keyed_locks;
mod kind;
mod periodic;
mod registry;
mod root;

pub use detached::DetachedError;
pub use group::{Group, TaskHandle};
pub use keyed_locks::{KeyedLock, KeyedLocks};
pub use kind::{Kind, OnCancel, OnFailure, Outcome, TaskError};
pub use periodic::{PassStatus, Periodic};
pub use registry::{ShuttingDown, TaskInfo};
pub use root::{ShutdownReport, Tasks};
// Every task's closure is given one.
pub use tokio_util::sync::CancellationToken;
