//! What asks the server to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::InnerError;

/// SIGTERM of the supervisor, SIGINT of a terminal.
#[derive(Debug)]
pub(super) struct StopSignals {
    term: Signal,
    int: Signal,
}

impl StopSignals {
    /// From now on both are asked for here and end nothing by themselves.
    pub(super) fn begin() -> Result<Self, InnerError> {
        let on = |kind| signal(kind).map_err(InnerError::Signals);
        Ok(Self { term: on(SignalKind::terminate())?, int: on(SignalKind::interrupt())? })
    }

    /// Returns when either has come. Cancel safe.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
