//! `/sandboxes/{id}/background`: commands that start again by themselves.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod logs;
