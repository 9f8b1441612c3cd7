//! What sandboxes use.
//!
//! The runtime tells counters; a share of CPU is the difference between two readings. The last reading of each sandbox is kept
//! in memory, so whoever looks again and again waits for nothing; who looks for the first time waits for a short window.

use std::collections::HashMap;
use std::time::Duration;

use atoll_lifecycle::{Decision, Request, decide};
use atoll_ports::Usage;
use atoll_types::{BootTime, SandboxId};
use parking_lot::Mutex;

use crate::records::state;
use crate::sandbox::denied;
use crate::{Caller, Engine, EngineError, MetricsView};

/// Shortest time between two readings: the scheduler gives out CPU in slices of some milliseconds, and takes stock of a quota
/// every 100.
const WINDOW_MIN: Duration = Duration::from_millis(100);
/// Longest: an older reading tells of a time that nobody asks about any more.
const WINDOW_MAX: Duration = Duration::from_secs(30);

/// What was read, and when.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: BootTime,
    usage: Usage,
}

/// The last reading of each sandbox that somebody looks at. Not durable: a new serve reads twice.
#[derive(Debug, Default)]
pub(crate) struct Readings(Mutex<HashMap<SandboxId, Reading>>);

impl Readings {
    fn last(&self, id: &SandboxId) -> Option<Reading> {
        self.0.lock().get(id).copied()
    }

    fn keep(&self, id: &SandboxId, reading: Reading) {
        self.0.lock().insert(id.clone(), reading);
    }

    /// Forgets sandboxes that are gone.
    pub(crate) fn retain(&self, keep: impl Fn(&SandboxId) -> bool) {
        self.0.lock().retain(|id, _| keep(id));
    }
}

impl Engine {
    /// What a sandbox uses now and has used since it came up.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_not_running`, `runtime_failed`.
    pub async fn sandbox_metrics(&self, caller: &Caller, id: &SandboxId) -> Result<MetricsView, EngineError> {
        let record = self.owned(caller, id)?;
        if let Decision::Denied(denial) = decide(Request::Measure, state(&record)) {
            return Err(denied(denial));
        }
        let now = self.inner.ports.clock.boot_time();
        let last = self.inner.readings.last(id).filter(|last| now.since(last.at) <= WINDOW_MAX);
        let mut before = match last {
            Some(last) => last,
            None => self.read_usage(id).await?,
        };
        let mut after = self.read_after(id, before).await?;
        if after.usage.cpu_nanos < before.usage.cpu_nanos {
            // It was started again in between, and counts anew.
            before = after;
            after = self.read_after(id, before).await?;
        }
        self.inner.readings.keep(id, after);
        let window = after.at.since(before.at);
        let share = |now: u64, then: u64| percent(Duration::from_nanos(now.saturating_sub(then)), window);
        Ok(MetricsView {
            cpu_percent: share(after.usage.cpu_nanos, before.usage.cpu_nanos),
            system_percent: share(after.usage.system_nanos, before.usage.system_nanos),
            usage: after.usage,
            limits: record.spec.limits.clone(),
        })
    }

    /// A reading at least a window after another.
    async fn read_after(&self, id: &SandboxId, before: Reading) -> Result<Reading, EngineError> {
        let passed = self.inner.ports.clock.boot_time().since(before.at);
        let rest = WINDOW_MIN.saturating_sub(passed);
        if !rest.is_zero() {
            self.inner.ports.clock.sleep(rest).await;
        }
        self.read_usage(id).await
    }

    async fn read_usage(&self, id: &SandboxId) -> Result<Reading, EngineError> {
        let usage = self.runtime_of(id)?.usage(id).await?;
        Ok(Reading { at: self.inner.ports.clock.boot_time(), usage })
    }
}

/// Time in percent of a window: 100 is one core, all the time.
fn percent(used: Duration, window: Duration) -> f64 {
    if window.is_zero() { 0.0 } else { used.as_secs_f64() / window.as_secs_f64() * 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_one_core() {
        let window = Duration::from_millis(200);
        assert!((percent(Duration::from_millis(50), window) - 25.0).abs() < 0.001);
        assert!((percent(Duration::from_millis(400), window) - 200.0).abs() < 0.001);
        assert!(percent(Duration::ZERO, Duration::ZERO).abs() < 0.001);
    }
}
