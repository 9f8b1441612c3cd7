//! Wall clock for people, CLOCK_BOOTTIME for durations.

use std::time::Duration;

use async_trait::async_trait;
use atoll_ports::Clock;
use atoll_types::{BootTime, Timestamp};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Tells one boot from another.
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// Characters of a boot id: a UUID with its hyphens.
const BOOT_ID_LEN: usize = 36;

/// tokio's timers stand still while the machine is suspended, the boot clock does not. So a long sleep looks at the
/// boot clock this often, and is late by at most as much after a resume. Long enough that thousands of sleepers cost nothing.
const SLICE: Duration = Duration::from_secs(10);

/// The clock cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Without a boot id, stored boot times would be taken for this boot's.
    #[error("{BOOT_ID_FILE} cannot be read")]
    Read(#[source] std::io::Error),
    /// It holds no UUID.
    #[error("{BOOT_ID_FILE} holds no boot id")]
    NoBootId,
}

/// The clock of the system.
#[derive(Debug, Clone)]
pub struct SystemClock {
    boot_id: String,
}

impl SystemClock {
    /// Reads the boot id, once.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new() -> Result<Self, ClockError> {
        let boot_id = std::fs::read_to_string(BOOT_ID_FILE).map_err(ClockError::Read)?.trim().to_owned();
        if boot_id.len() != BOOT_ID_LEN {
            return Err(ClockError::NoBootId);
        }
        Ok(Self { boot_id })
    }
}

/// Whole milliseconds of a time that is never negative here; a clock before 1970 reads as 1970.
fn millis(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(i64::try_from(millis(clock_gettime(ClockId::Realtime))).unwrap_or(i64::MAX))
    }

    fn boot_time(&self) -> BootTime {
        BootTime::from_ms(millis(clock_gettime(ClockId::Boottime)))
    }

    fn boot_id(&self) -> String {
        self.boot_id.clone()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.boot_time().after(duration);
        let mut left = duration;
        while !left.is_zero() {
            tokio::time::sleep(left.min(SLICE)).await;
            left = until.since(self.boot_time());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_lasts_at_least_as_long_as_asked_on_the_boot_clock() {
        let clock = SystemClock::new().unwrap();
        let before = clock.boot_time();
        clock.sleep(Duration::from_millis(30)).await;
        let slept = clock.boot_time().since(before);
        assert!(slept >= Duration::from_millis(30) && slept < Duration::from_secs(5), "{slept:?}");
    }

    #[tokio::test]
    async fn boot_time_is_the_uptime_and_now_is_this_century() {
        let clock = SystemClock::new().unwrap();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let boot = Duration::from_millis(clock.boot_time().as_ms()).as_secs_f64();
        assert!((boot - uptime).abs() < 2.0, "{boot} {uptime}");
        let rfc3339 = clock.now().to_rfc3339();
        assert!(rfc3339.starts_with("20"), "{rfc3339}");
    }

    #[test]
    fn the_boot_id_stays_the_same() {
        assert_eq!(SystemClock::new().unwrap().boot_id(), SystemClock::new().unwrap().boot_id());
    }
}
