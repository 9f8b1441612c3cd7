//! `/health`: bare, for probes and monitors.

pub(crate) mod live;
pub(crate) mod ready;
pub(crate) mod show;
