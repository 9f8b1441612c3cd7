//! The client against a server that plays recorded answers, the bad ones too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod logs;
mod requests;
mod server;
mod stream;
