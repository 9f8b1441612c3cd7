//! The log, on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{Config, LogFormat};

/// Begins to log. Values of secrets are never given to the log; the types that hold them do not show them.
pub(super) fn begin(config: &Config) {
    let filter = EnvFilter::try_new(filter(&config.log_level)).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt().with_env_filter(filter).with_writer(stderr);
    let is_json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !stderr().is_terminal(),
    };
    // A second start of the log in one process, as in tests, changes nothing.
    let _begun = if is_json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(stderr().is_terminal()).try_init()
    };
}

/// A level alone is that of our own parts; what libraries tell below a warning helps nobody who did not ask for it.
fn filter(level: &str) -> String {
    if level.contains(['=', ',']) { level.to_owned() } else { format!("warn,atoll={level}") }
}
