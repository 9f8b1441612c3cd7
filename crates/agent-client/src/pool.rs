//! The connections, one a sandbox, made when needed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::AgentError;
use atoll_types::SandboxId;
use parking_lot::Mutex;
use tokio::net::UnixStream;

use crate::connection::{AgentCalls, Connection, Lease, Windows};
use crate::way::{Way, connect};

/// Where the connection of one sandbox is, or will be: the lock makes callers wait for one connect, not many.
type Slot = Arc<tokio::sync::Mutex<Option<Connection>>>;

/// Connections by sandbox.
#[derive(Debug)]
pub(crate) struct Pool {
    ways: Arc<[Way]>,
    windows: Windows,
    idle_close_after: Duration,
    slots: Mutex<HashMap<SandboxId, Slot>>,
}

impl Pool {
    pub(crate) fn new(ways: Arc<[Way]>, idle_close_after: Duration, windows: Windows) -> Self {
        Self { ways, windows, idle_close_after, slots: Mutex::default() }
    }

    /// The calls of a sandbox's agent, over a live connection that stays for as long as the lease does.
    pub(crate) async fn calls(&self, sandbox: &SandboxId) -> Result<(AgentCalls, Lease), AgentError> {
        let slot = Arc::clone(self.slots.lock().entry(sandbox.clone()).or_default());
        let mut connection = slot.lock().await;
        if let Some((open, lease)) = connection.as_ref().and_then(|open| Some((open, open.lease()?))) {
            return Ok((open.calls(), lease));
        }
        *connection = None;
        let opened = Connection::open(&self.ways, sandbox, self.idle_close_after, self.windows).await;
        let leased = opened.and_then(|open| {
            let lease =
                open.lease().ok_or_else(|| AgentError::Unreachable("the agent hung up".to_owned()))?;
            Ok((open.calls(), lease, open))
        });
        match leased {
            Ok((calls, lease, open)) => {
                *connection = Some(open);
                Ok((calls, lease))
            }
            Err(error) => {
                // A sandbox that is not there leaves nothing behind.
                self.forget(sandbox);
                Err(error)
            }
        }
    }

    /// A connection beside those: it is the caller's own.
    pub(crate) async fn connect(&self, sandbox: &SandboxId) -> Result<UnixStream, AgentError> {
        connect(&self.ways, sandbox).await
    }

    /// Closes the connection of a sandbox, once nobody waits for it.
    pub(crate) fn forget(&self, sandbox: &SandboxId) {
        let _slot = self.slots.lock().remove(sandbox);
    }
}
