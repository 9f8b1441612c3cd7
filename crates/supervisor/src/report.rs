//! Log lines for people, on standard error.

use std::io::Write as _;

/// Writes one line. A log that cannot be written is no reason to stop.
pub(crate) fn line(text: &str) {
    drop(writeln!(std::io::stderr(), "atoll-supervisor: {text}"));
}
