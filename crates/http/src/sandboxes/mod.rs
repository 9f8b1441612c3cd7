//! `/sandboxes`: sandboxes and what changes their state.

pub(crate) mod bulk;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod follow_logs;
pub(crate) mod get;
mod healthy;
pub(crate) mod history;
pub(crate) mod keepalive;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod pause;
pub(crate) mod replicate;
pub(crate) mod restart;
pub(crate) mod resume;
pub(crate) mod start;
pub(crate) mod stop;
