//! Hears of changes to the host's rules: `flush ruleset`, which many firewalls begin with, takes ours away too.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use super::Router;
use super::netlink::{Message, Netlink, text};
use crate::report::{At, Step, StepError};

/// The group of changes to nftables (number 7), as a bit.
const CHANGES: u32 = 1 << 6;
/// Asks nftables for a table: its subsystem (10) and the call.
const GET_TABLE: u16 = 10 << 8 | 1;
/// Attribute: name of the table.
const TABLE_NAME: u16 = 1;
/// Head of a message to the filter: tables of family `inet`, version 0.
const HEAD: [u8; 4] = [1, 0, 0, 0];

/// A socket that becomes readable when somebody changes the host's rules.
#[derive(Debug)]
pub(crate) struct Watch {
    changes: Netlink,
}

impl Watch {
    /// Begins to listen.
    pub(crate) fn new() -> Result<Self, StepError> {
        Ok(Self { changes: Netlink::filter(CHANGES).at(Step::WatchRules)? })
    }

    /// Looks after a change, and puts the host's rules back where they are gone; whether they were.
    pub(crate) fn look(&self, router: &Router) -> Result<bool, StepError> {
        self.changes.drain();
        router.keep_host_rules()
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

pub(super) fn has_table(name: &str) -> rustix::io::Result<bool> {
    let filter = Netlink::filter(0)?;
    match filter.get(Message::new(GET_TABLE, 0, &HEAD).attribute(TABLE_NAME, &text(name))) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
