//! `/sandboxes/{id}/exec`, `/execs` and `/stream`: commands in a sandbox.

pub(crate) mod follow;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod resize;
pub(crate) mod run;
pub(crate) mod signal;
pub(crate) mod stdin;
pub(crate) mod stream;
