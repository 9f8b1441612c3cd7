//! Durable records, in SQLite: the only crate with SQL.
//!
//! ```text
//!  SqliteStore ── reads ──► a few read connections ──┐
//!     │ │                                            ├──► atoll.db (WAL)
//!     │ └─ writes ───► queue ─► writer: one connection ┘        ▲
//!     │                  ▲          └─ dirty ─► checkpointer ───┘
//!     └─ ends of execs, audit ─► behind: a journal, then many at once
//! ```
//! All writes go through one task that takes whatever is queued, runs it in one immediate transaction and answers
//! when that is committed, so that a hundred writers cost about as much as one. A write that fails fails alone.
//!
//! What a crash does: a write that was answered is in the write-ahead log in the page cache, and survives the death
//! of any process. [`atoll_ports::Durability::Power`] waits for the disk; the others are on the disk within about a
//! second, when the checkpointer has passed.

mod accounts;
mod audit;
mod behind;
mod checkpoint;
mod class_links;
mod connection;
mod cursor;
mod ends;
mod entity;
mod environments;
mod error;
mod flush;
mod idempotency;
mod migration;
mod open;
mod prepared;
mod query;
mod reader;
mod reserve;
mod secrets;
mod store;
mod words;
mod writer;

pub use open::{OpenError, SqliteStore};
pub use reader::{Reader, SealedBy};
