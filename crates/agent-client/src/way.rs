//! Where agents are.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{AgentError, AgentShortcut};
use atoll_types::SandboxId;
use rustix::fs::{AtFlags, statat};
use tokio::net::UnixStream;
use tokio::time::sleep;

/// Pause between tries while the agent's backlog is full.
const BACKLOG_PAUSE: Duration = Duration::from_millis(5);

/// A way to some agents.
#[derive(Debug)]
pub struct Way {
    directory: OwnedFd,
    shortcut: Option<Arc<dyn AgentShortcut>>,
}

impl Way {
    /// To those whose sockets lie in a directory as `<sandbox id>.sock`. It is held open: it need not be reachable by its path.
    #[must_use]
    pub fn over(directory: OwnedFd) -> Self {
        Self { directory, shortcut: None }
    }

    /// The same, and past the sockets where the shortcut leads to an agent.
    #[must_use]
    pub fn with_shortcut(directory: OwnedFd, shortcut: Arc<dyn AgentShortcut>) -> Self {
        Self { directory, shortcut: Some(shortcut) }
    }

    /// A connection to the agent of `sandbox`; `NotFound`: it is none of these.
    async fn connect(&self, sandbox: &SandboxId) -> io::Result<UnixStream> {
        if let Some(shortcut) = &self.shortcut {
            // Who has no socket here is somewhere else.
            statat(&self.directory, socket(sandbox), AtFlags::SYMLINK_NOFOLLOW)?;
            if let Some(socket) = shortcut.connect(sandbox).await {
                return UnixStream::from_std(socket.into());
            }
        }
        connect_in(self.directory.as_fd(), sandbox).await
    }
}

/// A connection to the agent of `sandbox`, on the first way that leads to it. There is no limit: the agent may be frozen, with its
/// backlog full.
pub(crate) async fn connect(ways: &[Way], sandbox: &SandboxId) -> Result<UnixStream, AgentError> {
    let mut connected = Err(io::ErrorKind::NotFound.into());
    for way in ways {
        connected = way.connect(sandbox).await;
        if !connected.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            break;
        }
    }
    connected.map_err(|error| AgentError::Unreachable(error.to_string()))
}

async fn connect_in(directory: BorrowedFd<'_>, sandbox: &SandboxId) -> io::Result<UnixStream> {
    // The path goes through the descriptor: a data folder may lie deeper than a socket's address can say.
    let path = format!("/proc/self/fd/{}/{}", directory.as_raw_fd(), socket(sandbox));
    loop {
        match UnixStream::connect(&path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(BACKLOG_PAUSE).await,
            other => return other,
        }
    }
}

fn socket(sandbox: &SandboxId) -> String {
    format!("{sandbox}.sock")
}
