//! The agent's two clocks.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use tokio::time::Instant;

/// Wall clock, in milliseconds since the epoch: for people, on events.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What durations are counted on.
pub(crate) fn now() -> Instant {
    Instant::now()
}
