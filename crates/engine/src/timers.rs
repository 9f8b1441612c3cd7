//! Life times and idle times, counted on the boot clock.

use std::sync::Arc;
use std::time::Duration;

use atoll_lifecycle::Request;
use atoll_ports::{Durability, SandboxRecord};
use atoll_tasks::Kind;
use atoll_types::{Desired, OnExpiry, Status, StopReason};

use crate::records::{ChangeError, shown};
use crate::{Engine, EngineError};

/// What was left of a life is written down this often, so that a reboot of the host takes or gives so much at most.
const LIFETIME_NOTE_INTERVAL: Duration = Duration::from_secs(300);

impl Engine {
    /// One look at every clock.
    pub(crate) async fn check_timers(&self) -> Result<(), EngineError> {
        for record in self.inner.records.all() {
            if record.desired == Desired::Deleted {
                continue;
            }
            if self.expired(&record).await? {
                self.expire(&record);
            } else if self.idle(&record).await {
                self.act(&record, Request::Stop, StopReason::Idle);
            }
        }
        Ok(())
    }

    /// Whether its life is over. Also writes down what is left now and then, and carries it over a reboot.
    async fn expired(&self, record: &SandboxRecord) -> Result<bool, EngineError> {
        let Some(life) = &record.lifetime else { return Ok(false) };
        let clock = &self.inner.ports.clock;
        let (now, boot) = (clock.boot_time(), clock.boot_id());
        let same_boot = life.boot_id == boot;
        let left = if same_boot { life.deadline.since(now) } else { Duration::from_millis(life.left_ms) };
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

    fn expire(&self, record: &Arc<SandboxRecord>) {
        match record.spec.on_expiry {
            OnExpiry::Delete => self.act(record, Request::Delete, StopReason::Expired),
            OnExpiry::Stop if shown(record) == Status::Running => {
                self.act(record, Request::Stop, StopReason::Expired)
            }
            OnExpiry::Stop => {}
        }
    }

    async fn idle(&self, record: &SandboxRecord) -> bool {
        let limit = Duration::from_secs(record.spec.idle_seconds);
        if limit.is_zero() || shown(record) != Status::Running {
            return false;
        }
        let now = self.inner.ports.clock.boot_time();
        if self.inner.execs.busy(&record.id) {
            self.inner.activity.touch(&record.id, now);
            return false;
        }
        if self.inner.activity.idle(&record.id, now) < limit {
            return false;
        }
        // Only now the agent is asked: it knows of what goes on without an exec of this serve.
        match self.inner.ports.agents.activity(&record.id).await {
            Ok(activity) if activity.execs_running == 0 && activity.idle >= limit => true,
            Ok(_) => {
                self.inner.activity.touch(&record.id, now);
                false
            }
            // A hung agent is idle: it serves nobody.
            Err(_) => true,
        }
    }

    fn act(&self, record: &Arc<SandboxRecord>, request: Request, reason: StopReason) {
        tracing::info!(sandbox.id = %record.id, ?reason, "sandbox {}: {request:?}, its time is over", record.id);
        let (engine, id) = (self.clone(), record.id.clone());
        // Counted as active meanwhile, so that the next look does not ask again while this is under way.
        self.inner.activity.touch(&id, self.inner.ports.clock.boot_time());
        let spawned = self.inner.operations.spawn("timer", Kind::WORK, move |_| async move {
            match request {
                Request::Delete => engine.delete_now(&id).await,
                _ => engine.request_now(&id, request, reason).await.map(|_| ()),
            }
        });
        // A serve that stops leaves it to the next one.
        drop(spawned);
    }
}

fn note_ms() -> u64 {
    u64::try_from(LIFETIME_NOTE_INTERVAL.as_millis()).unwrap_or(u64::MAX)
}
