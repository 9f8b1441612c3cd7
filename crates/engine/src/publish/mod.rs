//! Ports of the host that lead into sandboxes.
//!
//! ```text
//!  client ── port of the host ── serve: accept, dial, copy both ways ── socket in the sandbox's network ── 127.0.0.1:port
//! ```
//! The ports of a sandbox are open while it runs: the last step of a create or a start opens them, whatever takes it down
//! closes them with every connection, and a reconcile opens those that are missing, as after the death of serve. Only who holds
//! the sandbox's driver opens or closes. The record keeps which ports of the host it was given; it is given the same again
//! where they are free, else the one that was asked for, else any: a port that is taken fails nothing.
//!
//! serve holds the listeners, so its death cuts the connections; those who come back find the same ports.

mod counted;
mod door;
mod passage;

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atoll_ports::{Connection, DialError, Durability, HostListener, HostPortError, SandboxRecord};
use atoll_tasks::{CancellationToken, Kind, TaskHandle};
use atoll_types::{PublishPort, PublishedPort, SandboxId, Status};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::records::{ChangeError, shown};
use crate::{Engine, EngineError};
use door::Door;

/// Connections through published ports at once: two descriptors each, of 65,536 that serve has, and 128 MiB of buffers at most.
/// Beyond, those who come wait.
const CONNECTIONS_MAX: usize = 4_096;
/// Those of one sandbox: what a busy server has, and few enough that eight of them leave nobody out.
const CONNECTIONS_OF_ONE_MAX: usize = 512;
/// Ports that are listened on at once, a descriptor each.
const LISTENERS_MAX: usize = 4_096;

/// The ports that are open.
#[derive(Debug)]
pub(crate) struct Published {
    sandboxes: Mutex<HashMap<SandboxId, Open>>,
    room: Arc<Semaphore>,
}

impl Default for Published {
    fn default() -> Self {
        Self { sandboxes: Mutex::default(), room: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

/// Those of one sandbox.
#[derive(Debug)]
struct Open {
    ports: Vec<(PublishedPort, TaskHandle)>,
    shared: Shared,
}

/// What the connections of one sandbox have in common.
#[derive(Debug, Clone)]
struct Shared {
    room: Arc<Semaphore>,
    /// Whether anything went through since somebody looked.
    active: Arc<AtomicBool>,
    /// Ends all of it.
    stop: CancellationToken,
}

/// Which ports of the host will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The one that it had before.
    Same,
    /// That one, else the one that was asked for, else any.
    Any,
}

impl Published {
    /// The ports that are open for a sandbox.
    pub(crate) fn ports(&self, id: &SandboxId) -> Vec<PublishedPort> {
        let sandboxes = self.sandboxes.lock();
        sandboxes.get(id).map(|open| open.ports.iter().map(|(port, _)| *port).collect()).unwrap_or_default()
    }

    fn is_open(&self, id: &SandboxId, container: NonZeroU16) -> bool {
        self.ports(id).iter().any(|port| port.container == container)
    }

    fn is_whole(&self, record: &SandboxRecord) -> bool {
        record.spec.ports.iter().all(|port| self.is_open(&record.id, port.container))
    }

    fn listeners(&self) -> usize {
        self.sandboxes.lock().values().map(|open| open.ports.len()).sum()
    }

    /// Whether anything went through the ports of a sandbox since this was asked last.
    pub(crate) fn take_active(&self, id: &SandboxId) -> bool {
        self.sandboxes.lock().get(id).is_some_and(|open| open.shared.active.swap(false, Ordering::Relaxed))
    }
}

impl Engine {
    /// Opens the ports of a sandbox that are not open yet. The caller holds the driver.
    pub(crate) async fn open_ports(&self, record: &SandboxRecord) {
        self.open_some_ports(record, Choice::Any).await;
    }

    async fn open_some_ports(&self, record: &SandboxRecord, choice: Choice) {
        for port in &record.spec.ports {
            if self.inner.published.is_open(&record.id, port.container) {
                continue;
            }
            match self.listen(record, port, choice).await {
                Ok(listener) => self.keep_open(&record.id, port.container, listener),
                Err(HostPortError::Taken) if choice == Choice::Same => {}
                // The next reconcile tries again.
                Err(error) => {
                    tracing::warn!(sandbox.id = %record.id, "port {} of {} cannot be published now: {error}", port.container, record.id);
                }
            }
        }
    }

    /// Closes the ports of a sandbox, and every connection through them. They are free when this returns.
    pub(crate) async fn close_ports(&self, id: &SandboxId) {
        let open = self.inner.published.sandboxes.lock().remove(id);
        let Some(open) = open else { return };
        open.shared.stop.cancel();
        for (_, listener) in open.ports {
            listener.finished().await;
        }
    }

    /// Opens what should be open and is not, and writes down where the host's ports are others than before. First every sandbox
    /// is given what it had: who lost his must not take another's.
    pub(crate) async fn reopen_ports(&self) -> Result<(), EngineError> {
        for choice in [Choice::Same, Choice::Any] {
            for record in self.inner.records.all().iter().filter(|record| self.lacks_ports(record)) {
                // Whoever acts on it now opens them, or the next pass does.
                let Some(_driver) = self.inner.drivers.try_acquire(&record.id) else { continue };
                self.reopen_ports_of(&record.id, choice).await?;
            }
        }
        Ok(())
    }

    fn lacks_ports(&self, record: &SandboxRecord) -> bool {
        // A paused one keeps its ports, and turns connections away.
        matches!(shown(record), Status::Running | Status::Paused) && !self.inner.published.is_whole(record)
    }

    /// The same for one sandbox, whose driver the caller holds.
    async fn reopen_ports_of(&self, id: &SandboxId, choice: Choice) -> Result<(), EngineError> {
        let Some(record) = self.inner.records.get(id).filter(|record| self.lacks_ports(record)) else {
            return Ok(());
        };
        self.open_some_ports(&record, choice).await;
        if choice == Choice::Same {
            return Ok(());
        }
        let ports = self.inner.published.ports(id);
        let noted = self.inner.records.change(id, Durability::Process, |record| {
            record.host_ports.clone_from(&ports);
            Ok::<(), ()>(())
        });
        match noted.await {
            Ok(_) | Err(ChangeError::Refused(()) | ChangeError::Absent) => Ok(()),
            Err(ChangeError::Store(error)) => Err(error),
        }
    }

    /// Connects to a port inside a running sandbox.
    async fn dial(&self, id: &SandboxId, port: NonZeroU16) -> Result<Connection, DialError> {
        let record = self.inner.records.get(id).ok_or(DialError::NotRunning)?;
        if shown(&record) != Status::Running {
            return Err(DialError::NotRunning);
        }
        self.inner.ports.runtimes.of(record.spec.runtime)?.dial(id, port).await
    }

    /// The port that it had before, else the one that was asked for, else any.
    async fn listen(
        &self,
        record: &SandboxRecord,
        port: &PublishPort,
        choice: Choice,
    ) -> Result<Box<dyn HostListener>, HostPortError> {
        if self.inner.published.listeners() >= LISTENERS_MAX {
            return Err(HostPortError::Failed(format!("{LISTENERS_MAX} ports are open already")));
        }
        let before = record.host_ports.iter().find(|known| known.container == port.container);
        let before = before.map(|known| known.host);
        let wanted = match choice {
            Choice::Same => [before, None],
            Choice::Any => [before, port.host],
        };
        for host in wanted.into_iter().flatten().map(Some) {
            match self.inner.ports.host_ports.listen(host).await {
                Err(HostPortError::Taken) => {}
                other => return other,
            }
        }
        match choice {
            Choice::Same => Err(HostPortError::Taken),
            Choice::Any => self.inner.ports.host_ports.listen(None).await,
        }
    }

    fn keep_open(&self, id: &SandboxId, container: NonZeroU16, listener: Box<dyn HostListener>) {
        let published = PublishedPort { container, host: listener.port() };
        let mut sandboxes = self.inner.published.sandboxes.lock();
        let open = sandboxes.entry(id.clone()).or_insert_with(|| Open {
            ports: Vec::new(),
            shared: Shared {
                room: Arc::new(Semaphore::new(CONNECTIONS_OF_ONE_MAX)),
                active: Arc::default(),
                stop: self.inner.forwards.token().child_token(),
            },
        });
        let door = Door {
            engine: self.clone(),
            sandbox: id.clone(),
            container,
            listener,
            shared: open.shared.clone(),
        };
        // A serve that stops leaves it to the next one.
        if let Ok(task) = self.inner.forwards.spawn("published port", Kind::DISPOSABLE, |_| door.hold()) {
            open.ports.push((published, task));
        }
    }
}
