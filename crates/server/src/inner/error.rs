//! Why the server cannot run.

use std::io;

use atoll_clock::ClockError;
use atoll_engine::EngineError;
use atoll_http::TokenError;
use atoll_store::OpenError;
use atoll_tasks::ShuttingDown;

use super::spans::SpansError;

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InnerError {
    #[error("descriptor {variable} was not handed over; start the server with: sudo atoll serve")]
    Descriptor {
        variable: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("cannot {action} {name} in the data folder")]
    File {
        action: &'static str,
        name: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{name} in the data folder is not {expected}; restore it, or remove it to have a new one made")]
    Content { name: &'static str, expected: &'static str },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot open the records")]
    Store(#[source] OpenError),
    #[error(transparent)]
    Clock(#[from] ClockError),
    #[error("cannot {action}")]
    Engine {
        action: &'static str,
        #[source]
        source: Box<EngineError>,
    },
    #[error("cannot use the listening socket")]
    Listener(#[source] io::Error),
    #[error("cannot count")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    #[error("cannot start the threads")]
    Threads(#[source] io::Error),
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Stopping(#[from] ShuttingDown),
    #[error("the part {0} failed; the log says why")]
    Part(String),
}

/// Settings that turned out to be impossible: a restart would not help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Spans(#[from] SpansError),
    #[error(
        "auth: none needs to know whose sandboxes they are: set adminEmail to the address of an account that exists"
    )]
    NoAccount,
}
