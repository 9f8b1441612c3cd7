//! The engine over fakes of every port, a file per behaviour.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]
// A request that is started owns what it needs, whether or not it is the last one.
#![allow(clippy::redundant_clone)]

mod accounts;
mod delete;
mod doctor;
mod environment_pools;
mod execs;
mod execs_faults;
mod faults;
mod health;
mod images;
mod jobs;
mod jobs_faults;
mod lost;
mod metrics;
mod ownership;
mod pause;
mod pool;
mod ports;
mod public_sessions;
mod quotas;
mod reconcile;
mod recovery;
mod secrets;
mod sessions;
mod shutdown;
mod speed;
mod terminals;
mod timers;
mod walk;
mod world;
