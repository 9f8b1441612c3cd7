//! Health checks of sandboxes.
//!
//! Whoever looks at the clocks of sandboxes (`timers`) sees which check is due, and each runs in a task of its own, in the sandbox,
//! by its agent. What is known is kept in memory alone: nothing of it is asked of anybody, and after a restart of serve the next
//! check tells it again. A sandbox that is paused, or down, is not checked.

mod probe;
mod state;
mod wait;

pub(crate) use state::HealthChecks;
pub use state::{HealthState, LastCheck};
