//! The server itself, without any right: from its descriptors to its end.

mod account;
mod announce;
mod descriptors;
mod error;
mod folder;
mod identity;
mod logging;
mod master_keys;
mod metrics;
mod request_log;
mod run;
mod signals;
mod spans;
mod wiring;

pub(crate) use error::InnerError;
pub(crate) use run::run;
