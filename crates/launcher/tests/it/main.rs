//! The launcher on a real kernel, as root.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod bench;
mod dial;
mod host;
mod images;
mod isolation;
mod life;
mod limits;
mod pause;
