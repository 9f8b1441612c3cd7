//! One port of the host: takes clients, within bounds.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{Connection, HostListener};
use atoll_tasks::Kind;
use atoll_types::SandboxId;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::passage::Passage;
use crate::Engine;

/// Pause after a failed accept: without descriptors or memory the next one fails too, at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that is open.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) engine: Engine,
    pub(super) sandbox: SandboxId,
    pub(super) container: NonZeroU16,
    pub(super) listener: Box<dyn HostListener>,
    pub(super) shared: Shared,
}

impl Door {
    /// Takes clients until it is to be closed.
    pub(super) async fn hold(self) {
        loop {
            // Both only wait: a client that was not taken yet stays in the kernel's queue.
            let accepted = tokio::select! {
                () = self.shared.stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let client = match accepted {
                Ok(client) => client,
                Err(error) => {
                    tracing::warn!(sandbox.id = %self.sandbox, "a client of port {} could not be taken: {error}", self.listener.port());
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Both only wait: without room nobody else is taken either.
            let room = tokio::select! {
                () = self.shared.stop.cancelled() => return,
                room = self.room() => room,
            };
            let Some(room) = room else { return };
            self.let_in(client, room);
        }
    }

    /// Waits for room, its sandbox's first, so that one that is full keeps none of the others'.
    async fn room(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        let own = Arc::clone(&self.shared.room).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.engine.inner.published.room).acquire_owned().await.ok()?;
        Some([own, all])
    }

    fn let_in(&self, client: Connection, room: [OwnedSemaphorePermit; 2]) {
        let passage = Passage {
            engine: self.engine.clone(),
            sandbox: self.sandbox.clone(),
            container: self.container,
            shared: self.shared.clone(),
            _room: room,
        };
        let work = move |_| passage.hold(client);
        // A serve that stops lets nobody in any more.
        drop(self.engine.inner.forwards.spawn("published connection", Kind::DISPOSABLE, work));
    }
}
