//! Handing one out.

use std::sync::Arc;

use atoll_ports::SandboxRecord;
use atoll_types::{Observed, OperationKind, SandboxId, SandboxSpec};

use super::state::shape;
use crate::operation::is_done;
use crate::quota::Reserved;
use crate::{Caller, Engine, EngineError};

/// Steps of a create that are done of one that was made ahead: it runs.
const STEPS_DONE: u32 = 1;

impl Engine {
    /// Makes the caller's what was made ahead, if there is one of the kind that he wants: what is left of its create is done as
    /// that of any other, and undone as any other's. `None` when there is none.
    pub(crate) async fn create_from_pool(
        &self,
        caller: &Caller,
        reserved: &Reserved,
        instead_of: &SandboxId,
        spec: &SandboxSpec,
    ) -> Result<Option<Arc<SandboxRecord>>, EngineError> {
        let pools = &self.inner.pools;
        let shape = shape(spec, &self.inner.settings.default_image);
        let Some(id) = pools.take(&shape, self.inner.ports.clock.boot_time()) else { return Ok(None) };
        reserved.exchange(instead_of, &id);
        let done = self.finish_claim(caller, &id, spec).await;
        pools.refill();
        done
    }

    async fn finish_claim(
        &self,
        caller: &Caller,
        id: &SandboxId,
        spec: &SandboxSpec,
    ) -> Result<Option<Arc<SandboxRecord>>, EngineError> {
        let driver = self.inner.drivers.acquire(id).await;
        let Some(record) = self.claim(caller, id, spec).await? else { return Ok(None) };
        self.greet_soon(id);
        if record.operation.is_some() {
            return Ok(Some(self.run_operation(&driver, record).await?));
        }
        self.inner.activity.touch(id, self.inner.ports.clock.boot_time());
        self.ended(&record, OperationKind::Create);
        Ok(Some(record))
    }

    async fn claim(
        &self,
        caller: &Caller,
        id: &SandboxId,
        spec: &SandboxSpec,
    ) -> Result<Option<Arc<SandboxRecord>>, EngineError> {
        let mut record = self.new_record(id.clone(), caller, spec.clone());
        record.observed = Observed::Running;
        if let Some(create) = record.operation.as_mut() {
            create.step = STEPS_DONE;
        }
        if is_done(&record) {
            // One write instead of two, on the way of whoever waits.
            let clock = &self.inner.ports.clock;
            (record.operation, record.started_at) = (None, Some(clock.now()));
            record.boot_id = Some(clock.boot_id());
        }
        let claimed = self.inner.records.claim(&record).await;
        if matches!(claimed, Ok(Some(_))) {
            // From here on its record owns it.
            self.inner.pools.release(id);
        } else {
            let discarded = self.discard(id).await;
            if let Err(left) = discarded {
                tracing::warn!(sandbox.id = %id, "{id}, made ahead and not claimed, is not removed yet: {left}");
            }
        }
        claimed
    }
}
