//! A clock that stands still until a test moves it.

use std::time::Duration;

use async_trait::async_trait;
use atoll_ports::Clock;
use atoll_types::{BootTime, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

/// 2026-01-01T00:00:00Z, in milliseconds: any fixed moment serves.
const START_UNIX_MS: i64 = 1_767_225_600_000;
/// Uptime at the start, in milliseconds: not zero, so that subtracting goes wrong visibly.
const START_BOOT_MS: u64 = 1_000_000;

#[derive(Debug)]
struct Wall {
    unix_ms: i64,
    boot_id: String,
}

/// A clock that stands still until [`ManualClock::advance`]; sleepers wake when their time has come.
#[derive(Debug)]
pub struct ManualClock {
    wall: Mutex<Wall>,
    boot_ms: watch::Sender<u64>,
    sleepers: watch::Sender<usize>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self {
            wall: Mutex::new(Wall { unix_ms: START_UNIX_MS, boot_id: "boot-1".to_owned() }),
            boot_ms: watch::Sender::new(START_BOOT_MS),
            sleepers: watch::Sender::new(0),
        }
    }
}

fn round_up_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl ManualClock {
    /// A clock that stands still.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Time passes on both clocks; wakes the sleepers whose time has come. Rounded up to a millisecond.
    pub fn advance(&self, duration: Duration) {
        let ms = round_up_ms(duration);
        self.wall.lock().unix_ms += i64::try_from(ms).unwrap_or(i64::MAX);
        self.boot_ms.send_modify(|boot| *boot += ms);
    }

    /// The wall clock jumps; the boot clock does not.
    pub fn set_now(&self, now: Timestamp) {
        self.wall.lock().unix_ms = now.as_unix_ms();
    }

    /// The boot clock jumps; the wall clock does not. Wakes the sleepers whose time has come.
    pub fn set_boot_time(&self, at: BootTime) {
        self.boot_ms.send_replace(at.as_ms());
    }

    /// The machine was restarted: another boot, whose clock begins at zero.
    pub fn reboot(&self, boot_id: &str) {
        boot_id.clone_into(&mut self.wall.lock().boot_id);
        self.boot_ms.send_replace(0);
    }

    /// Waits until at least `count` calls of `sleep` wait at once, so that a test advances only then.
    pub async fn wait_for_sleepers(&self, count: usize) {
        // The sender lives in `self`, so waiting cannot fail.
        let _there = self.sleepers.subscribe().wait_for(|now| *now >= count).await.map(|_| ());
    }
}

/// Counts a sleeper for as long as it sleeps, also when its future is dropped.
struct Sleeping<'a>(&'a watch::Sender<usize>);

impl<'a> Sleeping<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|n| *n += 1);
        Self(count)
    }
}

impl Drop for Sleeping<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.wall.lock().unix_ms)
    }

    fn boot_time(&self) -> BootTime {
        BootTime::from_ms(*self.boot_ms.borrow())
    }

    fn boot_id(&self) -> String {
        self.wall.lock().boot_id.clone()
    }

    async fn sleep(&self, duration: Duration) {
        let mut boot = self.boot_ms.subscribe();
        let until = boot.borrow().saturating_add(round_up_ms(duration));
        let _sleeping = Sleeping::new(&self.sleepers);
        let _woken = boot.wait_for(|now| *now >= until).await.map(|_| ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::Arc;

    #[tokio::test]
    async fn sleepers_wake_when_their_time_has_come_and_not_before() {
        let clock = Arc::new(ManualClock::new());
        let sleep = clock.sleep(Duration::from_secs(10));
        tokio::pin!(sleep);
        assert!((&mut sleep).now_or_never().is_none());
        clock.wait_for_sleepers(1).await;
        clock.advance(Duration::from_secs(9));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        assert!((&mut sleep).now_or_never().is_some());
    }

    #[test]
    fn the_two_clocks_jump_apart() {
        let clock = ManualClock::new();
        let (now, boot) = (clock.now(), clock.boot_time());
        clock.set_now(Timestamp::from_unix_ms(0));
        assert_eq!(clock.boot_time(), boot);
        clock.set_boot_time(BootTime::from_ms(7));
        assert_eq!(clock.now(), Timestamp::from_unix_ms(0));
        clock.reboot("boot-2");
        assert_eq!((clock.boot_id().as_str(), clock.boot_time()), ("boot-2", BootTime::from_ms(0)));
        assert_ne!(now, clock.now());
    }
}
