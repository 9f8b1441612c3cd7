//! What a port promises, as checks that the fake and the real adapter both pass. Each panics where a promise is broken.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod dial;
mod exec_logs;
mod files;
mod host_ports;
mod store;
mod terminals;

pub use dial::dial;
pub use exec_logs::{exec_logs, exec_logs_bounded};
pub use files::{content, files, gathered};
pub use host_ports::host_ports;
pub use store::store;
pub use terminals::terminals;
