//! Rust client of the public API.
//!
//! [`Client`] has one method for each operation, named after its route. Ids are typed, so no text from outside can
//! become another path. [`Client::exec_events`] is the live stream of a command: it reconnects by itself and neither
//! misses an event nor gives one twice.

mod admin;
mod audit;
mod auth;
mod client;
mod environments;
mod error;
mod events;
mod execs;
mod files;
mod health;
mod images;
mod jobs;
mod sandboxes;
mod secrets;
mod stream;
mod terminal;
mod transport;

pub use audit::AuditQuery;
pub use client::{Client, Page};
pub use error::{ApiError, ClientError};
pub use events::EventStream;
pub use files::{Content, Download, FileAt};
pub use images::{Archive, ImageBuild, ImageDefaults, Progress};
pub use sandboxes::{LogFilter, SandboxFilter};
pub use stream::{ExecEvent, ExecEventKind, ExecEvents, LogLines};
pub use terminal::{Keyboard, Screen, TerminalEvent, TerminalOptions};
