//! One connection through a published port.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atoll_ports::Connection;
use atoll_types::SandboxId;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::counted::{Counted, Meter};
use crate::Engine;

/// Buffer of each direction, in bytes: larger ones make nothing faster, and there may be thousands.
const BUFFER_BYTES: usize = 16 << 10;

/// Silence after which a connection is given up, looked at this often, so that it is twice as much at most. Pools of connections to
/// databases are quiet for minutes; what is quiet for longer was forgotten, and holds room that others want.
const SILENCE_MAX: Duration = Duration::from_secs(3_600);

/// A client's way in.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) engine: Engine,
    pub(super) sandbox: SandboxId,
    pub(super) container: NonZeroU16,
    pub(super) shared: Shared,
    pub(super) _room: [OwnedSemaphorePermit; 2],
}

impl Passage {
    /// Copies both ways until both have ended, nothing has moved for long, or the sandbox goes down. The end of one way is
    /// passed on, and the other goes on.
    pub(super) async fn hold(self, client: Connection) {
        tokio::select! {
            // What is dropped here is not taken up again: both ends of the connection are closed.
            () = self.shared.stop.cancelled() => {}
            () = self.copy(client) => {}
        }
    }

    async fn copy(&self, client: Connection) {
        let (id, port) = (&self.sandbox, self.container);
        let mut inside = match self.engine.dial(id, port).await {
            Ok(inside) => inside,
            Err(error) => {
                return tracing::debug!(sandbox.id = %id, "a client of port {port} of {id} is turned away: {error}");
            }
        };
        self.shared.active.store(true, Ordering::Relaxed);
        let meter = Arc::new(Meter::new(Arc::clone(&self.shared.active)));
        let mut client = Counted::new(client, Arc::clone(&meter));
        let copied = copy_bidirectional_with_sizes(&mut client, &mut inside, BUFFER_BYTES, BUFFER_BYTES);
        tokio::select! {
            // As above: afterwards both ends are closed.
            copied = copied => if let Err(error) = copied {
                tracing::debug!(sandbox.id = %id, "a connection to port {port} of {id} broke: {error}");
            },
            () = meter.silence(SILENCE_MAX) => {
                tracing::debug!(sandbox.id = %id, "a connection to port {port} of {id} was silent for long");
            }
        }
    }
}
