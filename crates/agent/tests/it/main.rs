//! The real agent, reached through the real client.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod cgroup;
mod control;
mod files;
mod harness;
mod hostile;
mod large_files;
mod ports;
mod run;
mod spares;
mod standard;
mod streams;
mod terminal;
mod tty;
