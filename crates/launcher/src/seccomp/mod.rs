//! System call filters: an allow-list for everything in a sandbox, and a shorter one for the unpacker.

mod allow;
mod assemble;
#[cfg(test)]
mod simulate;

use crate::report::{At, Step, StepError};
use crate::sys;

/// The filters, assembled once at the start.
#[derive(Debug)]
pub(crate) struct Filters {
    /// Of every process in a sandbox.
    pub(crate) sandbox: Filter,
    /// Of the unpacker.
    pub(crate) unpack: Filter,
}

/// One assembled filter.
pub(crate) struct Filter(Vec<libc::sock_filter>);

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({} instructions)", self.0.len())
    }
}

impl Filters {
    /// Assembles both.
    pub(crate) fn new() -> Self {
        Self {
            sandbox: Filter(assemble::assemble(&allow::sandbox(), true)),
            unpack: Filter(assemble::assemble(&allow::unpack(), false)),
        }
    }
}

impl Filter {
    /// Puts the filter on this process for good. Needs `no_new_privs`.
    pub(crate) fn install(&self) -> Result<(), StepError> {
        sys::install_filter(&self.0).at(Step::InstallFilter)
    }
}
