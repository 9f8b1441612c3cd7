//! How many were asked for lately.

use std::collections::VecDeque;
use std::time::Duration;

use atoll_types::{BootTime, bounds};

/// What was asked for so long ago counts no more: a burst is answered from what the last one has left.
const WINDOW: Duration = Duration::from_secs(30);

/// When sandboxes of one kind were asked for, the last ones, oldest first.
#[derive(Debug, Default)]
pub(super) struct Demand(VecDeque<BootTime>);

impl Demand {
    /// One more is asked for.
    pub(super) fn note(&mut self, now: BootTime) {
        // More than a pool ever holds say no more.
        if u32::try_from(self.0.len()).is_ok_and(|len| len >= bounds::WARM_POOL_MAX) {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// How many were asked for lately, at most [`bounds::WARM_POOL_MAX`].
    pub(super) fn lately(&mut self, now: BootTime) -> u32 {
        while self.0.front().is_some_and(|at| now.since(*at) > WINDOW) {
            self.0.pop_front();
        }
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_fades() {
        let mut demand = Demand::default();
        let at = |seconds: u64| BootTime::from_ms(seconds * 1_000);
        (0..500).for_each(|_| demand.note(at(10)));
        assert_eq!(demand.lately(at(10)), bounds::WARM_POOL_MAX);
        demand.note(at(20));
        assert_eq!(demand.lately(at(40)), bounds::WARM_POOL_MAX);
        assert_eq!(demand.lately(at(41)), 1);
        assert_eq!(demand.lately(at(51)), 0);
    }
}
