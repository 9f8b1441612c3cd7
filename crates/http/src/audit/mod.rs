//! The audit log: its layer, and the routes that show it.

mod actions;
pub(crate) mod list;
mod note;
pub(crate) mod verify;

pub(crate) use note::audited;
