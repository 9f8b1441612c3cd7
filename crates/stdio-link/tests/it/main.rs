//! Links over pipes in memory, which are cut.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects")]

mod carry;
mod cut;
mod hostile;
mod rig;
