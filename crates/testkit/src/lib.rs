//! Fakes of every port, and a harness that runs the real programs.
//!
//! Each fake passes the same [`contract`] as the real adapter, so a test of the engine that is green on fakes means
//! something. Faults are planned with [`Faults`]: the n-th call fails before its act, or acts and then reports failure.

mod agents;
mod clock;
pub mod contract;
mod exec_logs;
mod faults;
mod files;
mod host_ports;
mod registry;
mod runtime;
pub mod samples;
mod seal;
mod store;

pub use agents::{FakeAgents, Script};
pub use clock::ManualClock;
pub use exec_logs::{FakeExecLogs, LogFault};
pub use faults::{Fault, Faults, Gate};
pub use files::FakeFiles;
pub use host_ports::FakeHostPorts;
pub use registry::FakeRegistry;
pub use runtime::FakeRuntime;
pub use seal::keyring;
pub use store::{FakeStore, StoreFault};
