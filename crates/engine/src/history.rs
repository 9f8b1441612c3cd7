//! What sandboxes used over time: every ten seconds for an hour, every minute for a day.
//!
//! One pass reads all that run, one after the other; the launcher answers each in about a tenth of a millisecond. In memory only,
//! with a bound: 1,800 points of 40 bytes of a sandbox, and so many sandboxes. A new serve begins anew.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use atoll_ports::{SandboxRecord, Usage};
use atoll_types::{BootTime, SandboxId, Status, Timestamp};
use parking_lot::Mutex;

use crate::records::shown;
use crate::{Caller, Engine, EngineError};

/// Time between two passes.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// Points at that distance: an hour.
const FINE_MAX: usize = 360;
/// Points that become one of the longer kind: a minute.
const FINE_IN_COARSE: usize = 6;
/// Points of the longer kind: a day.
const COARSE_MAX: usize = 1_440;
/// Sandboxes whose past is kept: 72 MB at most, after a day. Beyond, those that came first keep theirs.
const SANDBOXES_MAX: usize = 1_000;
/// Time that the runtime has to answer for one sandbox; one that hangs leaves a gap.
const READ_LIMIT: Duration = Duration::from_secs(1);
/// Passes after which what was sent is written down: a minute.
const PASSES_UNTIL_KEPT: u64 = 6;

/// What a sandbox used in a while. Charts want no more digits than these have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UsagePoint {
    /// At its end.
    pub at: Timestamp,
    /// CPU in percent of one core.
    pub cpu_percent: f32,
    /// The part of it that the kernel ran for the sandbox.
    pub system_percent: f32,
    /// Bytes of memory at its end; the most of them in a longer while.
    pub memory_bytes: f32,
    /// Processes at its end; the most of them in a longer while.
    pub pids: f32,
    /// Bytes received meanwhile.
    pub rx_bytes: f32,
    /// Bytes sent meanwhile.
    pub tx_bytes: f32,
    /// Bytes read from storage meanwhile.
    pub read_bytes: f32,
    /// Bytes written to storage meanwhile.
    pub write_bytes: f32,
}

/// Which past of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Every ten seconds, for an hour.
    TenSeconds,
    /// Every minute, for a day.
    Minute,
}

#[derive(Debug)]
struct Past {
    last: (BootTime, Usage),
    fine: VecDeque<UsagePoint>,
    /// Fine points since the last coarse one.
    pending: usize,
    coarse: VecDeque<UsagePoint>,
}

/// The past of all sandboxes.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<HashMap<SandboxId, Past>>);

#[expect(clippy::cast_possible_truncation, reason = "a chart needs seven digits")]
fn rough(number: f64) -> f32 {
    number as f32
}

fn bytes(number: u64) -> f32 {
    rough(number as f64)
}

fn point(at: Timestamp, window: Duration, before: &Usage, after: &Usage) -> UsagePoint {
    let percent = |now: u64, then: u64| {
        let used = Duration::from_nanos(now.saturating_sub(then)).as_secs_f64();
        rough(used / window.as_secs_f64().max(0.001) * 100.0)
    };
    let grown = |now: u64, then: u64| bytes(now.saturating_sub(then));
    UsagePoint {
        at,
        cpu_percent: percent(after.cpu_nanos, before.cpu_nanos),
        system_percent: percent(after.system_nanos, before.system_nanos),
        memory_bytes: bytes(after.memory_bytes),
        pids: bytes(u64::from(after.pids)),
        rx_bytes: grown(after.rx_bytes, before.rx_bytes),
        tx_bytes: grown(after.tx_bytes, before.tx_bytes),
        read_bytes: grown(after.read_bytes, before.read_bytes),
        write_bytes: grown(after.write_bytes, before.write_bytes),
    }
}

/// One point of several that follow each other.
fn together<'a>(points: impl ExactSizeIterator<Item = &'a UsagePoint> + Clone) -> Option<UsagePoint> {
    let last = *points.clone().last()?;
    let count = rough(points.len() as f64);
    let sum = |of: fn(&UsagePoint) -> f32| points.clone().map(of).sum::<f32>();
    let most = |of: fn(&UsagePoint) -> f32| points.clone().map(of).fold(0.0, f32::max);
    Some(UsagePoint {
        at: last.at,
        cpu_percent: sum(|p| p.cpu_percent) / count,
        system_percent: sum(|p| p.system_percent) / count,
        memory_bytes: most(|p| p.memory_bytes),
        pids: most(|p| p.pids),
        rx_bytes: sum(|p| p.rx_bytes),
        tx_bytes: sum(|p| p.tx_bytes),
        read_bytes: sum(|p| p.read_bytes),
        write_bytes: sum(|p| p.write_bytes),
    })
}

impl Past {
    fn new(now: BootTime, usage: Usage) -> Self {
        Self { last: (now, usage), fine: VecDeque::new(), pending: 0, coarse: VecDeque::new() }
    }

    fn add(&mut self, at: Timestamp, now: BootTime, usage: Usage) {
        let (then, before) = std::mem::replace(&mut self.last, (now, usage));
        if usage.cpu_nanos < before.cpu_nanos {
            // It was started again, and counts anew: this reading is where the next point begins.
            return;
        }
        push(&mut self.fine, FINE_MAX, point(at, now.since(then), &before, &usage));
        self.pending += 1;
        if self.pending >= FINE_IN_COARSE {
            let from = self.fine.len().saturating_sub(self.pending);
            if let Some(minute) = together(self.fine.range(from..)) {
                push(&mut self.coarse, COARSE_MAX, minute);
            }
            self.pending = 0;
        }
    }
}

fn push(points: &mut VecDeque<UsagePoint>, most: usize, point: UsagePoint) {
    if points.len() >= most {
        points.pop_front();
    }
    points.push_back(point);
}

impl History {
    /// Whether it is the first reading of this sandbox.
    fn add(&self, id: &SandboxId, at: Timestamp, now: BootTime, usage: Usage) -> bool {
        let mut all = self.0.lock();
        if let Some(past) = all.get_mut(id) {
            past.add(at, now, usage);
            return false;
        }
        if all.len() < SANDBOXES_MAX {
            all.insert(id.clone(), Past::new(now, usage));
        }
        true
    }

    fn points(&self, id: &SandboxId, resolution: Resolution, since: Option<Timestamp>) -> Vec<UsagePoint> {
        let all = self.0.lock();
        let points = all.get(id).map(|past| match resolution {
            Resolution::TenSeconds => &past.fine,
            Resolution::Minute => &past.coarse,
        });
        let wanted = |point: &&UsagePoint| since.is_none_or(|since| point.at >= since);
        points.into_iter().flatten().filter(wanted).copied().collect()
    }

    /// Forgets sandboxes that are gone.
    pub(crate) fn retain(&self, keep: impl Fn(&SandboxId) -> bool) {
        self.0.lock().retain(|id, _| keep(id));
    }
}

impl Engine {
    /// What a sandbox used, oldest first. Empty where it never ran since the server's start.
    ///
    /// # Errors
    /// `sandbox_not_found`.
    pub fn sandbox_history(
        &self,
        caller: &Caller,
        id: &SandboxId,
        resolution: Resolution,
        since: Option<Timestamp>,
    ) -> Result<Vec<UsagePoint>, EngineError> {
        self.owned(caller, id)?;
        Ok(self.inner.history.points(id, resolution, since))
    }

    /// Reads all that run, once.
    pub(crate) async fn sample(&self, pass: u64) -> Result<(), EngineError> {
        let records = self.inner.records.all();
        for record in records.iter().filter(|record| shown(record) == Status::Running) {
            let Ok(runtime) = self.inner.ports.runtimes.of(record.spec.runtime) else { continue };
            let reading = runtime.usage(&record.id);
            // Who hangs, or went down just now, leaves a gap.
            if let Ok(Ok(usage)) = tokio::time::timeout(READ_LIMIT, reading).await {
                self.take_sample(record, usage);
            }
        }
        if pass.is_multiple_of(PASSES_UNTIL_KEPT) {
            self.keep_egress().await?;
        }
        Ok(())
    }

    fn take_sample(&self, record: &SandboxRecord, usage: Usage) {
        let clock = &self.inner.ports.clock;
        let now = clock.boot_time();
        let is_first = self.inner.history.add(&record.id, clock.now(), now, usage);
        if is_first && record.started_at.is_some_and(|at| at < self.inner.began_at) {
            self.begin_egress(&record.id, usage.tx_bytes);
        }
        self.count_egress(&record.owner, &record.id, usage.tx_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(second: u64) -> Usage {
        Usage {
            cpu_nanos: second * 500_000_000,
            memory_bytes: second,
            tx_bytes: second * 10,
            ..Usage::default()
        }
    }

    #[test]
    fn minutes_are_made_of_ten_seconds_and_both_have_a_bound() {
        let mut past = Past::new(BootTime::from_ms(0), usage(0));
        let ticks = 9_000;
        for n in 1..=ticks {
            let s = n * 10;
            past.add(
                Timestamp::from_unix_ms(i64::try_from(s).unwrap() * 1_000),
                BootTime::from_ms(s * 1_000),
                usage(s),
            );
        }
        assert_eq!((past.fine.len(), past.coarse.len()), (FINE_MAX, COARSE_MAX));
        let (fine, minute) = (past.fine.back().unwrap(), past.coarse.back().unwrap());
        assert!((fine.cpu_percent - 50.0).abs() < 0.1 && (minute.cpu_percent - 50.0).abs() < 0.1);
        assert!((fine.tx_bytes - 100.0).abs() < 0.1 && (minute.tx_bytes - 600.0).abs() < 0.1, "{minute:?}");
        assert!((minute.memory_bytes - 90_000.0).abs() < 1.0);
        assert_eq!(past.coarse[1].at.as_unix_ms() - past.coarse[0].at.as_unix_ms(), 60_000);
    }

    #[test]
    fn a_new_start_is_no_leap() {
        let mut past = Past::new(BootTime::from_ms(0), usage(100));
        past.add(Timestamp::from_unix_ms(1), BootTime::from_ms(10_000), usage(1));
        assert!(past.fine.is_empty());
        past.add(Timestamp::from_unix_ms(2), BootTime::from_ms(20_000), usage(11));
        assert!((past.fine[0].tx_bytes - 100.0).abs() < 0.1);
    }
}
