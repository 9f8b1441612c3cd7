//! One file for each command.

pub(crate) mod admin;
mod admin_audit;
mod admin_quota;
pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod cp;
pub(crate) mod create;
#[cfg(feature = "serve")]
pub(crate) mod doctor;
#[cfg(feature = "serve")]
mod doctor_records;
pub(crate) mod env;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod get;
pub(crate) mod image;
mod image_build;
pub(crate) mod job;
pub(crate) mod key;
mod listing;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod password;
pub(crate) mod process;
pub(crate) mod replicate;
pub(crate) mod resources;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod secret;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod shell;
pub(crate) mod top;
pub(crate) mod usage;
pub(crate) mod version;
pub(crate) mod whoami;

use atoll_client::Client;

use crate::printer::Printer;

/// What every command that speaks to a server is given.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) client: Client,
    pub(crate) printer: Printer,
}
