//! The task that brings what was written to the disk, beside the writer.
//!
//! A passive checkpoint syncs the write-ahead log, copies it into the database and syncs that. Here it stops no write;
//! done by the writer itself, every thousandth page would make one exec wait for the disk.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::connection::OwnConnection;

/// Time from a write to its checkpoint, less the time that the disk takes: the promise is about a second.
const DELAY: Duration = Duration::from_millis(500);

/// Checkpoints after writes, until `stop` is dropped.
pub(crate) async fn run(connection: OwnConnection, dirty: Arc<Notify>, mut stop: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            // Dropping it loses a wake-up only when the store closes, which checkpoints by itself.
            () = dirty.notified() => {}
            // Resolves once; nothing is lost by dropping it before.
            _ = &mut stop => break,
        }
        tokio::select! {
            // Dropping a sleep loses nothing.
            () = tokio::time::sleep(DELAY) => {}
            // As above.
            _ = &mut stop => break,
        }
        if let Err(error) = connection.run("PRAGMA wal_checkpoint(PASSIVE)").await {
            tracing::warn!(%error, "the store could not be checkpointed; it tries again after the next write");
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the store's checkpoint connection did not close");
    }
}
