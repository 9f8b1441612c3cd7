//! Use-cases of sandboxes.

mod create;
mod lifecycle;
mod read;

pub(crate) use lifecycle::denied;
