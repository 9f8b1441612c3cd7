//! Configuration, wiring, start and drain of serve.
//!
//! ```text
//! atoll serve (root)            atoll serve (unprivileged, ATOLL_ROLE=serve)
//!   read the configuration        read the configuration again
//!   bind the port                 take the descriptors
//!   find the small programs       open the store, wire adapters, engine and API
//!   become the supervisor ──────► serve at once; requests wait for the first reconcile
//!                                 SIGTERM: accept nothing, finish requests, stop tasks, close the store
//! ```
//!
//! The configuration is read completely before anything is bound or opened.

mod cgroup_moves;
mod config;
mod inner;
mod outer;
pub mod programs;
mod report;
mod serve;

pub use config::{
    AuthMode, Config, ConfigError, KEYS, Key, LogFormat, MasterKeys, Secret, ServeArgs, SessionConfig,
};
pub use serve::serve;
