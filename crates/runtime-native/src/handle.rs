//! The handle: what the engine holds.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atoll_launcher_protocol::{Answer, Call, Remains};
use atoll_ports::{RuntimeError, RuntimeEvent};
use atoll_types::SandboxId;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::convert::{self, CallError};
use crate::pending::{Answered, Command};
use crate::service::{Greeting, Service};

/// Calls that wait to be sent; beyond, callers wait. As many as the launcher takes at once.
const QUEUE: usize = 256;

/// Events that a slow receiver may lag behind before it is told to look at everything.
const EVENTS: usize = 1_024;

/// How long a call may take, but for imports: an end takes the launcher eight seconds at most, a start ten.
const CALL_TIME: Duration = Duration::from_secs(15);

/// How long an import may take: the launcher's own limit and some.
pub(crate) const IMPORT_TIME: Duration = Duration::from_secs(630);

/// Pages of a list that are asked for at most: more sandboxes than there are ranges of ids.
pub(crate) const PAGES_MAX: usize = 64;

/// Where the launcher is.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that holds `launcher.sock`; its path may be longer than a socket's address holds.
    pub run_dir: PathBuf,
}

/// The native runtime: implements [`atoll_ports::Runtime`] and [`atoll_ports::Images`].
#[derive(Debug, Clone)]
pub struct NativeRuntime {
    commands: mpsc::Sender<Command>,
    pub(crate) events: broadcast::Sender<RuntimeEvent>,
    pub(crate) greeting: watch::Receiver<Option<Greeting>>,
}

impl NativeRuntime {
    /// The handle, and the service behind it, whose `run` must be polled for any call to be answered.
    #[must_use]
    pub fn new(options: Options) -> (Self, Service) {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (events, _) = broadcast::channel(EVENTS);
        let (greeting_sender, greeting) = watch::channel(None);
        let service = Service::new(options, queue, events.clone(), greeting_sender);
        (Self { commands, events, greeting }, service)
    }

    /// Everything of this installation that is on the host, for `doctor`, and how many removed things wait to be
    /// collected.
    ///
    /// # Errors
    /// When the launcher does not answer or fails.
    pub async fn found_remains(&self) -> Result<(Vec<Remains>, u32), RuntimeError> {
        let mut all: Vec<Remains> = Vec::new();
        for _page in 0..PAGES_MAX {
            let after: Option<SandboxId> = all.last().map(|remains| remains.sandbox.clone());
            match self.call(Call::Audit { after }).await.map_err(convert::runtime)? {
                Answer::Audit { remains, more, trash } => {
                    let ended = !more || remains.is_empty();
                    all.extend(remains);
                    if ended {
                        return Ok((all, trash));
                    }
                }
                other => return Err(convert::runtime(CallError::unexpected(&other))),
            }
        }
        Err(RuntimeError::Failed("the launcher's list has no end".to_owned()))
    }

    /// Asks the launcher something.
    ///
    /// # Cancel safety
    /// Dropping the future only stops waiting: what was sent is done all the same.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, CallError> {
        self.call_with(call, None, CALL_TIME).await.map(|(answer, _none)| answer)
    }

    pub(crate) async fn call_with(
        &self,
        call: Call,
        descriptor: Option<Arc<OwnedFd>>,
        limit: Duration,
    ) -> Result<Answered, CallError> {
        let (reply, answer) = oneshot::channel();
        let command = Command { call, descriptor, reply, asked_twice: false };
        let asked = async {
            self.commands
                .send(command)
                .await
                .map_err(|_| CallError::Unavailable("it was shut down".to_owned()))?;
            // The service drops a call only when it ends.
            answer.await.unwrap_or_else(|_| Err(CallError::Unavailable("it was shut down".to_owned())))
        };
        match tokio::time::timeout(limit, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Unavailable(format!("no answer in {} seconds", limit.as_secs()))),
        }
    }
}
