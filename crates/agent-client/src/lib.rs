//! Host side of the agent protocol.
//!
//! [`AgentClient`] reaches the agent of a sandbox through its socket in a directory of the host, keeps one HTTP/2
//! connection a sandbox for as long as it is used, and believes nothing: every answer is bounded by
//! `atoll-agent-protocol`, and every event is checked before it is passed on (see [`EventCheck`]).

mod answer;
mod check;
mod client;
mod connection;
mod events;
mod files;
mod gather;
mod pool;
mod port;
mod terminal;
mod way;

pub use check::{EventCheck, Violation};
pub use client::AgentClient;
pub use way::Way;
