//! Wrong passwords, and how long nobody's next one is looked at.
//!
//! Counted twice: for an address of an account from one network, which soon waits, and for the address of an account from
//! everywhere, which waits late, so that a stranger who guesses keeps its owner out only when he has many networks. Whether
//! there is such an account makes no difference. What is counted is forgotten at a restart of the server.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use atoll_types::{BootTime, Email, ErrorCode, client_network};
use parking_lot::Mutex;

use crate::EngineError;

/// Wrong passwords from one network before the first wait: a person who has several.
const FREE_FROM_NETWORK: u32 = 5;
/// Wrong passwords from everywhere before the first wait.
const FREE_FROM_EVERYWHERE: u32 = 50;
/// The first wait; it doubles with every wrong password after it.
const WAIT_FIRST: Duration = Duration::from_secs(30);
/// The longest wait: some hundred guesses a day.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// Time without a wrong password after which all are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// Entries that are kept, of at most about 300 bytes; beyond it the oldest is forgotten.
const ENTRIES_MAX: usize = 20_000;

/// Whose password, and from where; `None` is everywhere.
type Key = (Email, Option<IpAddr>);

#[derive(Debug, Clone, Copy)]
struct Entry {
    wrong: u32,
    last: BootTime,
}

impl Entry {
    /// What is left of the wait after so many free ones.
    fn wait(self, free: u32, now: BootTime) -> Duration {
        let Some(over) = self.wrong.checked_sub(free) else { return Duration::ZERO };
        // More doublings than these are beyond the longest wait anyway.
        let wait = WAIT_FIRST.saturating_mul(1 << over.min(16)).min(WAIT_MAX);
        wait.saturating_sub(now.since(self.last))
    }
}

/// Every wrong password of the last hour.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<Key, Entry>>);

impl Attempts {
    /// Counts a password as wrong before it is looked at, so that of many at once no more pass than may; refuses where
    /// it must wait.
    pub(super) fn begin(&self, email: &Email, address: IpAddr, now: BootTime) -> Result<(), EngineError> {
        let keys = keys(email, address);
        let mut entries = self.0.lock();
        let entry = |key: &Key| {
            let kept = entries.get(key).copied().filter(|entry| now.since(entry.last) < FORGOTTEN_AFTER);
            kept.unwrap_or(Entry { wrong: 0, last: now })
        };
        let [near, far] = [entry(&keys[0]), entry(&keys[1])];
        let wait = near.wait(FREE_FROM_NETWORK, now).max(far.wait(FREE_FROM_EVERYWHERE, now));
        if !wait.is_zero() {
            return Err(locked(wait));
        }
        for (key, entry) in keys.into_iter().zip([near, far]) {
            make_room(&mut entries, now);
            entries.insert(key, Entry { wrong: entry.wrong.saturating_add(1), last: now });
        }
        Ok(())
    }

    /// The password was right: what came from this network is forgotten, and this one was not wrong.
    pub(super) fn right(&self, email: &Email, address: IpAddr) {
        let [near, far] = keys(email, address);
        let mut entries = self.0.lock();
        entries.remove(&near);
        if let Some(entry) = entries.get_mut(&far) {
            entry.wrong = entry.wrong.saturating_sub(1);
        }
    }
}

fn keys(email: &Email, address: IpAddr) -> [Key; 2] {
    [(email.clone(), Some(client_network(address))), (email.clone(), None)]
}

fn make_room(entries: &mut HashMap<Key, Entry>, now: BootTime) {
    if entries.len() < ENTRIES_MAX {
        return;
    }
    entries.retain(|_, entry| now.since(entry.last) < FORGOTTEN_AFTER);
    if entries.len() >= ENTRIES_MAX
        && let Some(oldest) = entries.iter().min_by_key(|(_, entry)| entry.last).map(|(key, _)| key.clone())
    {
        entries.remove(&oldest);
    }
}

fn locked(wait: Duration) -> EngineError {
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    let text = format!("too many wrong passwords for this address: try again in {seconds} s");
    let retry_after_seconds = u16::try_from(seconds).ok();
    EngineError { retry_after_seconds, ..EngineError::new(ErrorCode::LoginLocked, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootTime {
        BootTime::from_ms(seconds * 1_000)
    }

    fn email(n: usize) -> Email {
        format!("u{n}@example.com").parse().unwrap()
    }

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[test]
    fn waits_double_and_end() {
        let attempts = Attempts::default();
        for _ in 0..FREE_FROM_NETWORK {
            attempts.begin(&email(0), ip(1), at(0)).unwrap();
        }
        let refused = attempts.begin(&email(0), ip(1), at(0)).unwrap_err();
        assert_eq!((refused.code, refused.retry_after_seconds), (ErrorCode::LoginLocked, Some(30)));
        attempts.begin(&email(0), ip(2), at(0)).unwrap();
        attempts.begin(&email(1), ip(1), at(0)).unwrap();
        assert_eq!(attempts.begin(&email(0), ip(1), at(29)).unwrap_err().retry_after_seconds, Some(1));
        attempts.begin(&email(0), ip(1), at(30)).unwrap();
        assert_eq!(attempts.begin(&email(0), ip(1), at(30)).unwrap_err().retry_after_seconds, Some(60));
        let mut now = 30;
        for _ in 0..20 {
            let wait = attempts.begin(&email(0), ip(1), at(now)).unwrap_err().retry_after_seconds.unwrap();
            assert!(u64::from(wait) <= WAIT_MAX.as_secs());
            now += u64::from(wait);
            attempts.begin(&email(0), ip(1), at(now)).unwrap();
        }
        attempts.begin(&email(0), ip(1), at(now + FORGOTTEN_AFTER.as_secs())).unwrap();
        attempts.begin(&email(0), ip(1), at(now + FORGOTTEN_AFTER.as_secs())).unwrap();
    }

    #[test]
    fn a_right_password_forgets_those_of_its_network() {
        let attempts = Attempts::default();
        for _ in 0..20 {
            attempts.begin(&email(0), ip(1), at(0)).unwrap();
            attempts.right(&email(0), ip(1));
        }
        assert!(attempts.0.lock().values().all(|entry| entry.wrong == 0));
    }

    #[test]
    fn many_networks_wait_together_and_one_ipv6_network_is_one() {
        let attempts = Attempts::default();
        for n in 0..FREE_FROM_EVERYWHERE {
            attempts.begin(&email(0), ip(u8::try_from(n).unwrap()), at(0)).unwrap();
        }
        assert!(attempts.begin(&email(0), ip(99), at(0)).is_err());
        for n in 0..FREE_FROM_NETWORK {
            attempts.begin(&email(1), format!("2001:db8::{n}").parse().unwrap(), at(0)).unwrap();
        }
        assert!(attempts.begin(&email(1), "2001:db8::ffff".parse().unwrap(), at(0)).is_err());
    }

    #[test]
    fn the_table_is_bounded() {
        let attempts = Attempts::default();
        for n in 0..ENTRIES_MAX / 2 + 50 {
            attempts.begin(&email(n), ip(1), at(0)).unwrap();
        }
        assert!(attempts.0.lock().len() <= ENTRIES_MAX);
    }
}
