//! Use-cases of sandboxes.

mod create;
mod lifecycle;
mod pause;
mod read;

pub(crate) use lifecycle::{denied, paused};
