//! The store on real files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod constraints;
mod contract;
mod crash;
mod open;
mod reader;

use atoll_store::SqliteStore;
use tempfile::TempDir;

/// A store in a folder of its own.
async fn fresh() -> (TempDir, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("atoll.db")).await.unwrap();
    (dir, store)
}
