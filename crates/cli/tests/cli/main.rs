//! The command as a process, against a server that plays recorded answers, the bad ones too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod attached;
mod config;
mod context;
mod fake;
mod images;
mod jobs;
mod output;
mod run;
