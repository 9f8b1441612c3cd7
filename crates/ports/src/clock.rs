//! Time as a port, so that tests advance it instead of sleeping.

use std::time::Duration;

use async_trait::async_trait;
use atoll_types::{BootTime, Timestamp};

/// The wall clock for people, the boot clock for durations, and sleep on the latter.
#[async_trait]
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Wall clock.
    fn now(&self) -> Timestamp;
    /// CLOCK_BOOTTIME.
    fn boot_time(&self) -> BootTime;
    /// `/proc/sys/kernel/random/boot_id`: boot times of another boot mean nothing in this one.
    fn boot_id(&self) -> String;
    /// Waits. Cancel safe.
    async fn sleep(&self, duration: Duration);
}
