//! `/api-keys`: keys for programs.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
