//! Lines for whoever started the server, on standard error, before and beside the log.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

/// One line. Without a standard error there is nobody to tell.
pub(crate) fn line(text: &str) {
    let _written = writeln!(std::io::stderr(), "{text}");
}

/// An error with all its causes in one line.
pub(crate) fn error(error: &dyn Error) {
    line(&format!("atoll serve: {}", chain(error)));
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _written = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
