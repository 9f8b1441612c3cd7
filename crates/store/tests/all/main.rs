//! The store on real files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod audit;
mod constraints;
mod contract;
mod crash;
mod open;
mod reader;

use atoll_ports::{Durability, SandboxRecord, Store as _, UserRecord};
use atoll_store::SqliteStore;
use atoll_testkit::samples;
use atoll_types::NodeId;
use tempfile::TempDir;

/// A store in a folder of its own.
async fn fresh() -> (TempDir, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("atoll.db")).await.unwrap();
    (dir, store)
}

/// A user with a sandbox.
async fn owned_sandbox(store: &SqliteStore) -> (UserRecord, SandboxRecord) {
    let user = samples::user();
    store.user_insert(&user).await.unwrap();
    let sandbox = samples::sandbox(&user.id, &NodeId::random());
    let sandbox = store.sandbox_insert(&sandbox, Durability::Process).await.unwrap();
    (user, sandbox)
}
