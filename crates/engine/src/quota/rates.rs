//! Execs of the last hour, of each user and of each sandbox, in minutes.

use std::collections::HashMap;

use atoll_types::{BootTime, ErrorCode, SandboxId, Timestamp, UserId};
use parking_lot::Mutex;

use crate::counters::Violation;
use crate::{Engine, EngineError};

/// Minutes of the window.
const MINUTES: usize = 60;
/// The same in milliseconds.
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: u64 = 60_000;

/// Counts of the last 60 minutes.
#[derive(Debug, Clone)]
struct Hour {
    minutes: [u32; MINUTES],
    /// The minute that was counted last, since boot.
    now: u64,
    sum: u64,
}

impl Hour {
    fn new(now: u64) -> Self {
        Self { minutes: [0; MINUTES], now, sum: 0 }
    }

    fn slot(minute: u64) -> usize {
        usize::try_from(minute % MINUTES as u64).unwrap_or_default()
    }

    /// Forgets what is older than an hour.
    fn roll(&mut self, now: u64) {
        let passed = now.saturating_sub(self.now).min(MINUTES as u64);
        for minute in now.saturating_sub(passed) + 1..=now {
            let slot = &mut self.minutes[Self::slot(minute)];
            self.sum -= u64::from(*slot);
            *slot = 0;
        }
        self.now = self.now.max(now);
    }

    /// Counts some of a minute of the last hour.
    fn add(&mut self, minute: u64, count: u32) {
        if self.now.saturating_sub(minute) < MINUTES as u64 && minute <= self.now {
            let slot = &mut self.minutes[Self::slot(minute)];
            let room = (u32::MAX - *slot).min(count);
            *slot += room;
            self.sum += u64::from(room);
        }
    }
}

#[derive(Debug, Default)]
struct Tables {
    users: HashMap<UserId, Hour>,
    sandboxes: HashMap<SandboxId, Hour>,
}

/// The counts. Not durable: a new serve counts what the audit log has.
#[derive(Debug, Default)]
pub(crate) struct ExecRates(Mutex<Tables>);

/// What one more exec would be beyond.
enum Beyond {
    User,
    Sandbox,
}

fn minute(now: BootTime) -> u64 {
    now.as_ms() / MINUTE_MS
}

impl ExecRates {
    /// Counts one, unless that is one too many. Answers how many the user had.
    fn count(
        &self,
        user: &UserId,
        sandbox: &SandboxId,
        now: u64,
        of_user: u64,
        of_sandbox: u64,
    ) -> Result<u64, Beyond> {
        let mut tables = self.0.lock();
        let Tables { users, sandboxes } = &mut *tables;
        let sandbox = hour(sandboxes, sandbox, now);
        let user = hour(users, user, now);
        if user.sum >= of_user {
            return Err(Beyond::User);
        }
        if sandbox.sum >= of_sandbox {
            return Err(Beyond::Sandbox);
        }
        sandbox.add(now, 1);
        user.add(now, 1);
        Ok(user.sum - 1)
    }

    fn used(&self, user: &UserId, now: u64) -> u64 {
        let mut tables = self.0.lock();
        tables.users.get_mut(user).map_or(0, |hour| {
            hour.roll(now);
            hour.sum
        })
    }

    /// A sandbox is gone. At once, since thousands may be made and deleted until the rest is looked at; what its user had counts on.
    pub(crate) fn forget(&self, sandbox: &SandboxId) {
        self.0.lock().sandboxes.remove(sandbox);
    }

    /// Forgets sandboxes that are gone, and users of whom nothing is left to count.
    pub(crate) fn retain(&self, keep: impl Fn(&SandboxId) -> bool, now: BootTime) {
        let mut tables = self.0.lock();
        tables.sandboxes.retain(|id, _| keep(id));
        tables.users.retain(|_, hour| {
            hour.roll(minute(now));
            hour.sum > 0
        });
    }
}

fn hour<'a, K: Clone + Eq + std::hash::Hash>(
    hours: &'a mut HashMap<K, Hour>,
    key: &K,
    now: u64,
) -> &'a mut Hour {
    let hour = hours.entry(key.clone()).or_insert_with(|| Hour::new(now));
    hour.roll(now);
    hour
}

impl Engine {
    /// Counts an exec that a user asks for.
    pub(crate) fn take_exec(&self, user: &UserId, sandbox: &SandboxId) -> Result<(), EngineError> {
        let now = minute(self.inner.ports.clock.boot_time());
        let most = self.quota(user).execs_per_hour;
        let most_here = self.inner.settings.sandbox_execs_per_hour;
        let counted = self.inner.exec_rates.count(user, sandbox, now, most, most_here);
        let (kind, text) = match counted {
            Ok(had) => {
                self.warn_of(user, Violation::Execs, had, had + 1, most);
                return Ok(());
            }
            Err(Beyond::User) => (
                Violation::Execs,
                format!("you have started {most} commands in the last hour, and may not start more"),
            ),
            Err(Beyond::Sandbox) => (
                Violation::SandboxExecs,
                format!(
                    "{most_here} commands were started in this sandbox in the last hour, and there may not be more"
                ),
            ),
        };
        Err(self.violation(kind, EngineError::new(ErrorCode::QuotaExceeded, text)))
    }

    /// Execs of a user in the last hour.
    pub(super) fn execs_used(&self, user: &UserId) -> u64 {
        self.inner.exec_rates.used(user, minute(self.inner.ports.clock.boot_time()))
    }

    /// Counts what an earlier serve has let through.
    pub(super) async fn load_exec_rates(&self) -> Result<(), EngineError> {
        let clock = &self.inner.ports.clock;
        let wall = clock.now().as_unix_ms();
        let now = minute(clock.boot_time());
        let since = Timestamp::from_unix_ms(wall.saturating_sub(HOUR_MS));
        let found = self.inner.ports.store.audit_execs_since(since).await?;
        let mut tables = self.inner.exec_rates.0.lock();
        for one in found {
            // The clock of the wall may have jumped: what seems to come is of now.
            let age = u64::try_from(wall / 60_000 - one.minute).unwrap_or_default();
            let (at, count) = (now.saturating_sub(age), u32::try_from(one.count).unwrap_or(u32::MAX));
            hour(&mut tables.users, &one.user, now).add(at, count);
            if let Ok(sandbox) = one.sandbox.parse() {
                hour(&mut tables.sandboxes, &sandbox, now).add(at, count);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_rolls() {
        let mut hour = Hour::new(100);
        hour.add(100, 5);
        hour.add(41, 7);
        hour.add(40, 100);
        hour.add(101, 100);
        assert_eq!(hour.sum, 12, "what is older, or to come, does not count");
        hour.roll(101);
        assert_eq!(hour.sum, 5);
        hour.add(101, 1);
        hour.roll(160);
        assert_eq!(hour.sum, 1);
        hour.roll(1_000);
        assert_eq!((hour.sum, hour.minutes), (0, [0; MINUTES]));
    }

    #[test]
    fn one_too_many_is_refused_and_not_counted() {
        let rates = ExecRates::default();
        let (user, sandbox, other) = (UserId::random(), SandboxId::random(), SandboxId::random());
        for had in 0..3 {
            assert!(matches!(rates.count(&user, &sandbox, 7, 5, 3), Ok(n) if n == had));
        }
        assert!(matches!(rates.count(&user, &sandbox, 7, 5, 3), Err(Beyond::Sandbox)));
        assert!(rates.count(&user, &other, 7, 5, 3).is_ok());
        assert!(rates.count(&user, &other, 7, 5, 3).is_ok());
        assert!(matches!(rates.count(&user, &other, 7, 5, 3), Err(Beyond::User)));
        assert_eq!(rates.used(&user, 7), 5);
        assert!(rates.count(&user, &other, 67, 5, 3).is_ok(), "an hour later");
        rates.forget(&sandbox);
        assert_eq!(rates.0.lock().sandboxes.len(), 1);
        assert_eq!(rates.used(&user, 67), 1);
        rates.retain(|_| false, BootTime::from_ms(1_000 * MINUTE_MS));
        let tables = rates.0.lock();
        assert!(tables.users.is_empty() && tables.sandboxes.is_empty());
    }
}
