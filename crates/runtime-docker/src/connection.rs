//! One connection to the broker.

use std::os::fd::BorrowedFd;
use std::path::Path;

use atoll_broker_protocol::{Answer, Call, Failure, SOCKET};

use crate::convert::CallError;

/// A connection, in the broker's words.
#[derive(Debug)]
pub(crate) struct Connection(atoll_packets::Connection);

fn away(error: impl std::fmt::Display) -> CallError {
    CallError::Away(error.to_string())
}

impl Connection {
    pub(crate) fn open(run_dir: &Path) -> Result<Self, CallError> {
        atoll_packets::Connection::open(run_dir, SOCKET).map(Self).map_err(away)
    }

    /// Sends a call, once there is room for it.
    pub(crate) async fn send(&self, call: &Call, descriptors: &[BorrowedFd<'_>]) -> Result<(), CallError> {
        self.0.send(call, descriptors).await.map_err(away)
    }

    /// The next answer.
    ///
    /// # Cancel safety
    /// An answer is taken whole or not at all.
    pub(crate) async fn receive(&mut self) -> Result<Answer, CallError> {
        match self.0.receive::<Answer>().await.map_err(away)?.message {
            Answer::Failed(Failure { kind, message }) => Err(CallError::Failed(kind, message)),
            answer => Ok(answer),
        }
    }
}
