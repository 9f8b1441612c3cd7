//! Life times and idle times, counted on the boot clock.

use std::collections::HashSet;
use std::time::Duration;

use atoll_lifecycle::Request;
use atoll_ports::{Durability, Lifetime, SandboxRecord};
use atoll_tasks::Kind;
use atoll_types::{BootTime, Desired, OnExpiry, SandboxId, Status, StopReason};
use parking_lot::Mutex;

use crate::records::{ChangeError, shown};
use crate::{Engine, EngineError};

/// What was left of a life is written down this often, so that a reboot of the host takes or gives so much at most.
const LIFETIME_NOTE_INTERVAL: Duration = Duration::from_secs(300);
/// Time that an agent has to say whether anything goes on.
const ACTIVITY_LIMIT: Duration = Duration::from_secs(5);

impl Engine {
    /// One look at every clock.
    pub(crate) async fn check_timers(&self) -> Result<(), EngineError> {
        let mut failure = None;
        for record in self.inner.records.all() {
            if record.desired == Desired::Deleted || self.inner.due.contains(&record.id) {
                continue;
            }
            self.check_health(&record);
            if self.is_public_session(&record) && is_down(&record) {
                self.act(&record, Due::Down);
                continue;
            }
            match self.expired(&record).await {
                Ok(true) => self.expire(&record),
                Ok(false) if self.may_be_idle(&record) => self.act(&record, Due::Idle),
                Ok(false) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Whether its life is over. Also writes down what is left now and then, and carries it over a reboot.
    async fn expired(&self, record: &SandboxRecord) -> Result<bool, EngineError> {
        let Some(life) = &record.lifetime else { return Ok(false) };
        let clock = &self.inner.ports.clock;
        let (now, boot) = (clock.boot_time(), clock.boot_id());
        let same_boot = life.boot_id == boot;
        let left = left(life, now, &boot);
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let note = !same_boot || life.left_ms.saturating_sub(left_ms) >= note_ms();
        if note && left_ms > 0 {
            let changed = self.inner.records.change(&record.id, Durability::Process, |record| {
                let life = record.lifetime.as_mut().ok_or(())?;
                life.boot_id.clone_from(&boot);
                life.deadline = now.after(left);
                life.left_ms = left_ms;
                Ok::<(), ()>(())
            });
            if let Err(ChangeError::Store(error)) = changed.await {
                return Err(error);
            }
        }
        Ok(left_ms == 0)
    }

    fn expire(&self, record: &SandboxRecord) {
        match record.spec.on_expiry {
            OnExpiry::Delete => self.act(record, Due::Delete),
            OnExpiry::Stop if matches!(shown(record), Status::Running | Status::Paused) => {
                self.act(record, Due::Stop);
            }
            OnExpiry::Stop => {}
        }
    }

    /// Whether this serve has seen nothing of it for its idle time.
    fn may_be_idle(&self, record: &SandboxRecord) -> bool {
        let limit = Duration::from_secs(record.spec.idle_seconds);
        if limit.is_zero() || shown(record) != Status::Running {
            return false;
        }
        let now = self.inner.ports.clock.boot_time();
        if self.inner.published.take_active(&record.id) || self.inner.execs.busy(&record.id) {
            self.inner.activity.touch(&record.id, now);
            return false;
        }
        self.inner.activity.idle(&record.id, now) >= limit
    }

    /// Asks the agent, which knows of what goes on without an exec of this serve.
    async fn is_idle(&self, record: &SandboxRecord) -> bool {
        let limit = Duration::from_secs(record.spec.idle_seconds);
        let asked = self.inner.ports.agents.activity(&record.id);
        match tokio::time::timeout(ACTIVITY_LIMIT, asked).await {
            Ok(Ok(activity)) if activity.execs_running > 0 || activity.idle < limit => {
                self.inner.activity.touch(&record.id, self.inner.ports.clock.boot_time());
                false
            }
            // Somebody may have come while it was asked. A hung agent is idle: it serves nobody.
            _ => self.may_be_idle(record),
        }
    }

    /// Acts in a task of its own: neither a slow delete nor a hung agent delays another clock.
    fn act(&self, record: &SandboxRecord, due: Due) {
        if !self.inner.due.insert(&record.id) {
            return;
        }
        let (engine, id, record) = (self.clone(), record.id.clone(), record.clone());
        let spawned = self.inner.operations.spawn("timer", Kind::WORK, move |_| async move {
            let _due = Leave { engine: &engine, id: &record.id };
            engine.act_now(&record, due).await
        });
        if spawned.is_err() {
            // A serve that stops leaves it to the next one.
            self.inner.due.remove(&id);
        }
    }

    async fn act_now(&self, record: &SandboxRecord, due: Due) -> Result<(), EngineError> {
        let id = &record.id;
        if due == Due::Idle && !self.is_idle(record).await {
            return Ok(());
        }
        tracing::info!(sandbox.id = %id, ?due, "the time of sandbox {id} is over");
        let ends = |word| self.audited_act(record, "sandbox.delete", word, self.delete_now(id));
        let (reason, word) = match due {
            Due::Delete => return ends("expired").await,
            Due::Down => return ends("down").await,
            Due::Idle if self.is_public_session(record) => return ends("idle").await,
            Due::Stop => (StopReason::Expired, "expired"),
            Due::Idle => (StopReason::Idle, "idle"),
        };
        let stop = self.request_now(id, Request::Stop, reason);
        self.audited_act(record, "sandbox.stop", word, stop).await.map(drop)
    }
}

/// Whether a sandbox is not up, and is on no way to it.
fn is_down(record: &SandboxRecord) -> bool {
    record.operation.is_none() && matches!(shown(record), Status::Stopped | Status::Crashed | Status::Failed)
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Its life is over, and it is to be gone.
    Delete,
    /// Its life is over, and it is to be down.
    Stop,
    /// It seems idle.
    Idle,
    /// It is a public session that went down: it is over.
    Down,
}

/// Sandboxes for which something due is under way: each is acted on once, however long that takes.
#[derive(Debug, Default)]
pub(crate) struct DueSandboxes(Mutex<HashSet<SandboxId>>);

impl DueSandboxes {
    fn contains(&self, id: &SandboxId) -> bool {
        self.0.lock().contains(id)
    }

    fn insert(&self, id: &SandboxId) -> bool {
        self.0.lock().insert(id.clone())
    }

    fn remove(&self, id: &SandboxId) {
        self.0.lock().remove(id);
    }
}

/// Makes room again, however the task ends.
struct Leave<'a> {
    engine: &'a Engine,
    id: &'a SandboxId,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.engine.inner.due.remove(self.id);
    }
}

/// What is left of a life: after a reboot, what was left when it was last written down.
pub(crate) fn left(life: &Lifetime, now: BootTime, boot_id: &str) -> Duration {
    if life.boot_id == boot_id { life.deadline.since(now) } else { Duration::from_millis(life.left_ms) }
}

fn note_ms() -> u64 {
    u64::try_from(LIFETIME_NOTE_INTERVAL.as_millis()).unwrap_or(u64::MAX)
}
