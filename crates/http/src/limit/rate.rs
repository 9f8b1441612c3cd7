//! A limit as an operator writes it.

use std::num::NonZeroU32;
use std::time::Duration;

/// So many requests in a period, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    requests: NonZeroU32,
    period: Duration,
    burst: NonZeroU32,
}

impl Rate {
    /// `requests` in each `period`, at most `burst` of them at once. `None` where there would be no limit: no time between
    /// two of them, or no end of the time until all are back.
    #[must_use]
    pub fn new(requests: NonZeroU32, period: Duration, burst: NonZeroU32) -> Option<Self> {
        let between = period / requests.get();
        let whole = between.checked_mul(burst.get())?;
        // In nanoseconds it must fit into 64 bits, with room.
        let fits = whole <= Duration::from_secs(365 * 86_400);
        (!between.is_zero() && fits).then_some(Self { requests, period, burst })
    }

    /// So many in a minute, all of them at once if need be; `None` of 0.
    pub(crate) fn a_minute(requests: u32) -> Option<Self> {
        let requests = NonZeroU32::new(requests)?;
        Self::new(requests, Duration::from_secs(60), requests)
    }

    /// Time after which one more is allowed.
    pub(super) fn between(self) -> Duration {
        self.period / self.requests.get()
    }

    pub(super) fn burst(self) -> NonZeroU32 {
        self.burst
    }
}
