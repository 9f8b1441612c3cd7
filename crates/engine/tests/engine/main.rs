//! The engine over fakes of every port, a file per behaviour.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod accounts;
mod delete;
mod execs;
mod execs_faults;
mod faults;
mod images;
mod ownership;
mod reconcile;
mod recovery;
mod shutdown;
mod timers;
mod walk;
mod world;
