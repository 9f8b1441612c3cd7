//! Public sessions: anonymous, short-lived sandboxes for a public web page.
//!
//! A session is a sandbox of an account that is Atoll's own and that nobody logs in to. It has a life and an idle time as others
//! have, so it ends in the same way after a crash of serve; and it is destroyed where others would be stopped. Who holds it
//! stands in its labels, so that what is counted of a holder is counted of the records: nothing is forgotten over a restart.

mod account;
mod class_link;
mod create;
mod held;
mod isolation;
mod reach;

use std::time::Duration;

use atoll_types::{ImageName, Label};

pub(crate) use account::{is_reserved, is_system};
pub(crate) use held::PublicSessions;
pub use reach::holder_of;

/// What the operator decided about public sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// Image; that of other sandboxes when absent.
    pub image: Option<ImageName>,
    /// Sessions at once, of everybody.
    pub sessions_max: u32,
    /// Time without activity after which one is destroyed.
    pub idle: Duration,
    /// Life of one.
    pub life: Duration,
    /// Whether the runtime `native` is good enough where there is no stronger one.
    pub allow_native: bool,
}

impl Default for SessionSettings {
    /// The defaults that `docs/configuration.md` lists.
    fn default() -> Self {
        Self {
            image: None,
            sessions_max: 50,
            idle: Duration::from_secs(5 * 60),
            life: Duration::from_secs(30 * 60),
            allow_native: false,
        }
    }
}

/// Who holds sessions: an address, or a class with one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionHolder {
    /// Its name, which tells nothing of an address.
    pub name: Label,
    /// Whether it is a class.
    pub is_class: bool,
    /// Sessions that it may have at once.
    pub sessions_max: u32,
}
