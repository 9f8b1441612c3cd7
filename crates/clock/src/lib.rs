//! The clock of the system, behind the engine's port.

mod system;

pub use system::{ClockError, SystemClock};
