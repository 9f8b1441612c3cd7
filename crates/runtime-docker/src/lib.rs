//! The runtimes of Docker Engine, `docker` and `gvisor`: the broker's client.
//!
//! ```text
//! DockerRuntime (one for each kind) ──┐ a connection for each call
//! DockerImages ───────────────────────┼──────────────────────────► broker ──► Docker Engine
//! Events::run, one task ──────────────┘ one that stays
//! ```
//! serve itself has no way to Docker. A call of Docker's takes hundreds of milliseconds, so a connection for each is nothing beside it, and
//! what a broker that died left without an answer just fails: every call is idempotent, and asked again by whoever needs it.

mod builder;
mod connection;
mod convert;
mod events;
mod images;
mod runtime;
mod said;
mod shortcut;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atoll_broker_protocol::{Answer, Call, EngineInfo};
use rustix::fd::AsFd;
use tokio::sync::broadcast;

pub use builder::DockerBuilder;
pub use events::Events;
pub use images::DockerImages;
pub use runtime::DockerRuntime;
pub use shortcut::Shortcut;

use crate::connection::Connection;
use crate::convert::CallError;
use crate::said::Said;

/// How long a call may take: Docker's own minute, several times in the longest.
const CALL_TIME: Duration = Duration::from_secs(180);
/// How long an import may take: the broker's own limit and some.
const IMPORT_TIME: Duration = Duration::from_secs(660);
/// Events that a slow receiver may lag behind before it is told to look at everything.
const EVENTS: usize = 1_024;

/// The way to the broker. A cheap clone.
#[derive(Debug, Clone)]
pub struct Broker {
    /// The folder that holds its socket; its path may be longer than a socket's address holds.
    run_dir: Arc<PathBuf>,
    events: broadcast::Sender<convert::Happened>,
    said: Arc<Said>,
}

impl Broker {
    /// The broker whose socket is in a folder. Nothing is connected before it is needed.
    #[must_use]
    pub fn new(run_dir: PathBuf) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        Self { run_dir: Arc::new(run_dir), events, said: Arc::default() }
    }

    /// What must run for events to come.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(self.clone())
    }

    /// What Docker is, as it said lately, or as it says now.
    async fn info(&self) -> Result<EngineInfo, CallError> {
        match self.said.lately() {
            Some(info) => Ok(info),
            None => self.asked_info().await,
        }
    }

    async fn asked_info(&self) -> Result<EngineInfo, CallError> {
        match self.call(&Call::Info).await? {
            Answer::Info(info) => {
                self.said.note(info.clone());
                Ok(info)
            }
            _ => Err(CallError::Unexpected),
        }
    }

    /// Asks something that has one answer.
    async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        self.asked(CALL_TIME, async {
            let mut connection = self.connect()?;
            connection.send(call, &[]).await?;
            connection.receive().await
        })
        .await
    }

    /// The same, with a descriptor.
    async fn call_with(&self, call: &Call, descriptor: impl AsFd) -> Result<Answer, CallError> {
        self.asked(IMPORT_TIME, async {
            let mut connection = self.connect()?;
            connection.send(call, &[descriptor.as_fd()]).await?;
            connection.receive().await
        })
        .await
    }

    fn connect(&self) -> Result<Connection, CallError> {
        Connection::open(&self.run_dir)
    }

    async fn asked<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let late = || CallError::Away(format!("no answer in {} seconds", limit.as_secs()));
        tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err(late()))
    }
}
