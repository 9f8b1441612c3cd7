//! `/sandboxes/{id}/files` and what goes with it.

pub(crate) mod archive;
mod at;
pub(crate) mod change;
mod content;
pub(crate) mod delete;
pub(crate) mod list;
mod multipart;
mod range;
pub(crate) mod read;
pub(crate) mod search;
mod view;
pub(crate) mod watch;
pub(crate) mod write;
