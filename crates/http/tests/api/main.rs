//! The API over a real connection, on the real engine, with the kit's ports in memory.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod access;
mod accounts;
mod admin;
mod audit;
mod compatibility;
mod environments;
mod events;
mod execs;
mod fields;
mod files;
mod health_checks;
mod hostile;
mod idempotency;
mod images;
mod jobs;
mod kit;
mod limits;
mod logs;
mod metrics;
mod openapi;
mod public_sessions;
mod sandboxes;
mod secrets;
mod sessions;
mod single_user;
mod streams;
mod surface;
mod terminals;
mod usage;
