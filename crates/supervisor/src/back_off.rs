//! How long to wait before a part is started again.

use std::time::Duration;

/// First wait: short, since most deaths are single ones and users are waiting.
const FIRST: Duration = Duration::from_millis(100);
/// Longest wait: an operator who mends something should not wait longer for it to come back.
const LONGEST: Duration = Duration::from_secs(10);
/// A part that lived this long was healthy: its death counts as a first one.
const HEALTHY: Duration = Duration::from_secs(30);

/// Doubling waits.
#[derive(Debug)]
pub(crate) struct BackOff {
    next: Duration,
}

impl BackOff {
    pub(crate) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// The wait after a part that lived this long.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= HEALTHY {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (self.next * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_health() {
        let mut back_off = BackOff::new();
        let waits: Vec<u128> = (0..9).map(|_| back_off.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert_eq!(back_off.after(HEALTHY), FIRST);
        assert_eq!(back_off.after(Duration::from_secs(29)), FIRST * 2);
    }
}
