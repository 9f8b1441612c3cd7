//! `/environments`: named, versioned definitions of sandboxes.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod diff;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod secrets;
pub(crate) mod update;
pub(crate) mod version;
pub(crate) mod versions;
