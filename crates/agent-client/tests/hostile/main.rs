//! Agents that lie, hang, flood or are not there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod connections;
mod execs;
mod files;
mod host;
mod liar;
mod ports;
mod terminals;
