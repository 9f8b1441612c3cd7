//! One limit.

use std::hash::Hash;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

use super::Rate;
use super::table::Table;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// What is left of a bucket after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Requests of a full bucket.
    limit: u32,
    /// Requests that are left.
    remaining: u32,
    /// Until it is full again.
    reset: Duration,
    /// Until there is one more, where none was left.
    wait: Duration,
}

fn seconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)
}

impl Standing {
    /// The headers that say so.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(seconds(self.reset)));
    }

    /// Seconds until one more is allowed.
    pub(crate) fn retry_after_seconds(&self) -> u64 {
        seconds(self.wait).max(1)
    }
}

/// Buckets of one limit.
pub(crate) struct Limiter<K: Clone + Eq + Hash, C: Clock = MonotonicClock> {
    rate: Rate,
    limiter: RateLimiter<K, Table<K>, C, StateInformationMiddleware>,
}

impl<K: Clone + Eq + Hash, C: Clock> std::fmt::Debug for Limiter<K, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self::timed(rate, MonotonicClock)
    }
}

impl<K: Clone + Eq + Hash, C: Clock> Limiter<K, C> {
    fn timed(rate: Rate, clock: C) -> Self {
        let every = rate.between();
        // A rate has time between two requests: the other arm is never taken.
        let quota = Quota::with_period(every).unwrap_or_else(|| Quota::per_second(rate.burst()));
        let quota = quota.allow_burst(rate.burst());
        Self { rate, limiter: RateLimiter::new(quota, Table::default(), clock) }
    }

    /// Counts a request, allowed or not.
    pub(crate) fn count(&self, key: &K) -> Result<Standing, Standing> {
        let limit = self.rate.burst().get();
        let every = self.rate.between();
        let standing = |remaining: u32, wait: Duration| {
            let missing = limit.saturating_sub(remaining);
            Standing { limit, remaining, reset: every.saturating_mul(missing), wait }
        };
        match self.limiter.check_key(key) {
            Ok(state) => Ok(standing(state.remaining_burst_capacity(), Duration::ZERO)),
            Err(until) => Err(standing(0, until.wait_time_from(self.limiter.clock().now()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn rate(requests: u32, seconds: u64, burst: u32) -> Option<Rate> {
        let (requests, burst) = (NonZeroU32::new(requests).unwrap(), NonZeroU32::new(burst).unwrap());
        Rate::new(requests, Duration::from_secs(seconds), burst)
    }

    #[test]
    fn a_bucket_is_emptied_and_each_has_his_own() {
        let limiter = Limiter::<u8>::new(rate(20, 900, 20).unwrap());
        for n in 1..=20 {
            let standing = limiter.count(&1).unwrap();
            assert_eq!((standing.limit, standing.remaining), (20, 20 - n));
        }
        let refused = limiter.count(&1).unwrap_err();
        assert_eq!((refused.remaining, refused.reset), (0, Duration::from_secs(900)));
        assert!((40..=45).contains(&refused.retry_after_seconds()), "{refused:?}");
        assert!(limiter.count(&2).is_ok());
    }

    #[test]
    fn a_bucket_fills_evenly() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::<u8, _>::timed(rate(1_000, 1, 2).unwrap(), clock.clone());
        let allowed = || (0..5).filter(|_| limiter.count(&1).is_ok()).count();
        assert_eq!(allowed(), 2, "the burst");
        for (microseconds, expected) in [(999, 0), (1, 1), (1_500, 1), (500, 1), (60_000_000, 2)] {
            clock.advance(Duration::from_micros(microseconds));
            assert_eq!(allowed(), expected, "after {microseconds} µs more");
        }
    }

    #[test]
    fn what_is_no_limit_is_no_rate() {
        assert_eq!(rate(u32::MAX, 1, 1), None);
        assert_eq!(rate(1, 400 * 86_400, 1), None);
        assert_eq!(rate(1, 86_400, 1_000), None);
        assert!(rate(100, 60, 100).is_some());
    }
}
