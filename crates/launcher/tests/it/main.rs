//! The launcher on a real kernel, as root.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod host;
mod isolation;
