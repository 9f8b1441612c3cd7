//! What is known of the health of sandboxes.

use std::collections::HashMap;
use std::time::Duration;

use atoll_types::{BootTime, Health, HealthCheck, SandboxId, Timestamp};
use parking_lot::Mutex;

/// Time between two checks of a sandbox that has not been healthy yet, where its interval is longer: whoever waits for it learns
/// soon.
const START_INTERVAL: Duration = Duration::from_secs(1);

/// How a sandbox is, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthState {
    /// In a word.
    pub health: Health,
    /// Checks that failed in a row, and counted.
    pub failing_streak: u32,
    /// The last check.
    pub last: Option<LastCheck>,
}

impl HealthState {
    pub(crate) const fn of(health: Health) -> Self {
        Self { health, failing_streak: 0, last: None }
    }
}

/// A check that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCheck {
    /// When it ended.
    pub at: Timestamp,
    /// Its exit code; none where it did not end by itself, or could not be run.
    pub exit_code: Option<i32>,
    /// The end of what it wrote, or why it could not be run; at most 1 KiB.
    pub output: String,
}

/// Of every sandbox that has a health check, and runs.
#[derive(Debug, Default)]
pub(crate) struct HealthChecks(Mutex<HashMap<SandboxId, Entry>>);

#[derive(Debug)]
struct Entry {
    /// When the sandbox had come up: what is known of an earlier run says nothing about this one.
    up_since: Option<Timestamp>,
    state: HealthState,
    /// When the next check is due.
    next: BootTime,
    /// Until it is healthy, a check that fails before this counts not.
    counts_from: BootTime,
    probe: Probe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    None,
    UnderWay,
    /// It was paused meanwhile: what it brings says nothing.
    Void,
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

impl Entry {
    /// One that has been up for so long as this serve first sees it.
    fn new(up_since: Option<Timestamp>, up_for: Duration, check: &HealthCheck, now: BootTime) -> Self {
        let began = BootTime::from_ms(
            now.as_ms().saturating_sub(u64::try_from(up_for.as_millis()).unwrap_or(u64::MAX)),
        );
        let counts_from = began.after(seconds(check.start_period_seconds) + seconds(check.interval_seconds));
        let mut state = HealthState::of(Health::Starting);
        // An earlier serve knew how it is: the first check tells it again.
        let decided = counts_from.after(seconds(check.interval_seconds) * check.retries.saturating_sub(1));
        if decided <= now {
            state.failing_streak = check.retries.saturating_sub(1);
        }
        Self { up_since, state, next: now, counts_from, probe: Probe::None }
    }

    fn judge(&mut self, check: &HealthCheck, passed: bool, last: LastCheck, now: BootTime) {
        let interval = seconds(check.interval_seconds);
        let state = &mut self.state;
        state.last = Some(last);
        if passed {
            (state.health, state.failing_streak) = (Health::Healthy, 0);
        } else if state.health != Health::Starting || self.counts_from <= now {
            state.failing_streak = state.failing_streak.saturating_add(1);
            self.counts_from = now.after(interval);
            if state.failing_streak >= check.retries {
                state.health = Health::Unhealthy;
            }
        }
        let wait = if state.health == Health::Starting { interval.min(START_INTERVAL) } else { interval };
        self.next = now.after(wait);
    }
}

impl HealthChecks {
    /// Whether a check of a sandbox that runs is due; then it counts as under way until [`HealthChecks::judge`] or
    /// [`HealthChecks::give_up`].
    pub(super) fn begin(
        &self,
        id: &SandboxId,
        (up_since, up_for): (Option<Timestamp>, Duration),
        check: &HealthCheck,
        now: BootTime,
    ) -> bool {
        let mut all = self.0.lock();
        let entry = all.entry(id.clone()).or_insert_with(|| Entry::new(up_since, up_for, check, now));
        if entry.up_since != up_since {
            *entry = Entry::new(up_since, up_for, check, now);
        }
        let due = entry.probe == Probe::None && entry.next <= now;
        if due {
            entry.probe = Probe::UnderWay;
        }
        due
    }

    /// A check has ended. Answers with the health before and after it, where that has changed.
    pub(super) fn judge(
        &self,
        id: &SandboxId,
        up_since: Option<Timestamp>,
        (check, passed, last): (&HealthCheck, bool, LastCheck),
        now: BootTime,
    ) -> Option<(Health, Health)> {
        let mut all = self.0.lock();
        let entry = all.get_mut(id).filter(|entry| entry.up_since == up_since)?;
        if std::mem::replace(&mut entry.probe, Probe::None) == Probe::Void {
            return None;
        }
        let before = entry.state.health;
        entry.judge(check, passed, last, now);
        let after = entry.state.health;
        (before != after).then_some((before, after))
    }

    /// A check could not be begun, or says nothing.
    pub(super) fn give_up(&self, id: &SandboxId, up_since: Option<Timestamp>) {
        if let Some(entry) = self.0.lock().get_mut(id).filter(|entry| entry.up_since == up_since) {
            entry.probe = Probe::None;
        }
    }

    /// It is paused: what is under way is void.
    pub(super) fn pause(&self, id: &SandboxId) {
        if let Some(entry) = self.0.lock().get_mut(id).filter(|entry| entry.probe == Probe::UnderWay) {
            entry.probe = Probe::Void;
        }
    }

    /// It is down, or gone.
    pub(crate) fn forget(&self, id: &SandboxId) {
        self.0.lock().remove(id);
    }

    /// What is known of this run of it.
    pub(super) fn get(&self, id: &SandboxId, up_since: Option<Timestamp>) -> Option<HealthState> {
        let all = self.0.lock();
        all.get(id).filter(|entry| entry.up_since == up_since).map(|entry| entry.state.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: HealthCheck = HealthCheck {
        command: None,
        interval_seconds: 10,
        timeout_seconds: 5,
        retries: 2,
        start_period_seconds: 20,
    };

    fn at(second: u64) -> BootTime {
        BootTime::from_ms(1_000_000 + 1_000 * second)
    }

    fn judged(entry: &mut Entry, second: u64, passed: bool) -> (Health, u32, u64) {
        let last = LastCheck { at: Timestamp::from_unix_ms(0), exit_code: None, output: String::new() };
        entry.judge(&CHECK, passed, last, at(second));
        let next = (entry.next.as_ms() - at(0).as_ms()) / 1_000;
        (entry.state.health, entry.state.failing_streak, next)
    }

    #[test]
    fn it_is_looked_at_often_until_it_is_healthy_and_fails_by_intervals() {
        let mut entry = Entry::new(None, Duration::ZERO, &CHECK, at(0));
        assert_eq!(judged(&mut entry, 0, false), (Health::Starting, 0, 1));
        assert_eq!(
            judged(&mut entry, 29, false),
            (Health::Starting, 0, 30),
            "the start period and an interval"
        );
        assert_eq!(judged(&mut entry, 30, false), (Health::Starting, 1, 31));
        assert_eq!(judged(&mut entry, 31, false), (Health::Starting, 1, 32), "one in an interval counts");
        assert_eq!(judged(&mut entry, 40, false), (Health::Unhealthy, 2, 50));
        assert_eq!(judged(&mut entry, 50, true), (Health::Healthy, 0, 60));
        assert_eq!(judged(&mut entry, 60, false), (Health::Healthy, 1, 70));
        assert_eq!(judged(&mut entry, 70, true), (Health::Healthy, 0, 80));
        assert_eq!(judged(&mut entry, 80, false), (Health::Healthy, 1, 90));
        assert_eq!(judged(&mut entry, 90, false), (Health::Unhealthy, 2, 100));
    }

    #[test]
    fn the_first_check_after_a_restart_of_serve_tells_it() {
        let long = Duration::from_secs(40);
        let mut entry = Entry::new(None, long, &CHECK, at(100));
        assert_eq!(judged(&mut entry, 100, false), (Health::Unhealthy, 2, 110));
        let mut entry = Entry::new(None, long, &CHECK, at(100));
        assert_eq!(judged(&mut entry, 100, true).0, Health::Healthy);
        let mut entry = Entry::new(None, long / 2, &CHECK, at(100));
        assert_eq!(judged(&mut entry, 100, false), (Health::Starting, 0, 101), "it may still come up");
    }
}
