//! Making ahead, and clearing away.

use std::time::Duration;

use atoll_ports::{PreparedRecord, StartRequest};
use atoll_tasks::{CancellationToken, Kind};
use atoll_types::{BootTime, ErrorCode, SandboxId, SandboxSpec};

use crate::{Engine, EngineError};

/// Time between two looks at the pools, where no claim asks for one: demand and age are known to a second.
const INTERVAL: Duration = Duration::from_secs(1);
/// Time between two looks whether claims come so fast that there is no rest.
const LOOK: Duration = Duration::from_millis(5);
/// Time that the agent of one that was made has to answer.
const GREET_TIMEOUT: Duration = Duration::from_secs(5);

impl Engine {
    /// Starts the driver that keeps the pools filled.
    pub(crate) fn start_pools(&self) -> Result<(), EngineError> {
        let engine = self.clone();
        let filler = self.inner.periodic.periodic("warm pools", INTERVAL, move |token| {
            let engine = engine.clone();
            async move { engine.fill_pools(&token).await }
        })?;
        // A boot happens once.
        drop(self.inner.pools.filler.set(filler));
        let engine = self.clone();
        self.inner.periodic.spawn("end of warm pools", Kind::WORK, move |token| async move {
            token.cancelled().await;
            engine.clear_pools().await
        })?;
        Ok(())
    }

    /// At an orderly stop: nobody would get what is ready, and the machine may not start Atoll again.
    async fn clear_pools(&self) -> Result<(), EngineError> {
        self.discard_all(self.inner.pools.close()).await
    }

    /// Each is tried whatever became of the others: one that stays held is seen by nobody else. Answers with the last failure.
    async fn discard_all(&self, ids: Vec<SandboxId>) -> Result<(), EngineError> {
        let mut done = Ok(());
        for id in ids {
            done = self.discard(&id).await.and(done);
        }
        done
    }

    /// One pass: takes away what is too much or too old, then makes one after the other what is missing, so that sandboxes that
    /// somebody waits for are not behind a queue of them.
    async fn fill_pools(&self, token: &CancellationToken) -> Result<(), EngineError> {
        let pools = &self.inner.pools;
        // The look at the environments can wait too.
        self.rest_after_claim(token, |now| pools.rest(now)).await;
        let wanted = self.wanted_pools().await?;
        let mut surplus = pools.define(wanted);
        surplus.extend(pools.take_surplus(self.inner.ports.clock.boot_time()));
        self.discard_all(surplus).await?;
        while !token.is_cancelled() {
            self.call_ready().await;
            self.rest_after_claim(token, |now| pools.rest_before_next(now)).await;
            let (now, id) = (self.inner.ports.clock.boot_time(), SandboxId::random());
            let Some(shape) = pools.next(now, &id) else { break };
            let made = self.prepare(&id, &shape).await;
            if !pools.made(&shape, &id, self.inner.ports.clock.boot_time(), made.is_ok()) {
                self.discard(&id).await?;
            }
            made?;
        }
        Ok(())
    }

    /// Calls the agents that were not called for long. What does not answer is found out by whoever claims it, or was told by its
    /// runtime.
    async fn call_ready(&self) {
        let (pools, ports) = (&self.inner.pools, &self.inner.ports);
        let ids = pools.take_uncalled(ports.clock.boot_time());
        let calls = ids.iter().map(|id| tokio::time::timeout(GREET_TIMEOUT, ports.agents.greet(id)));
        drop(futures_util::future::join_all(calls).await);
    }

    async fn rest_after_claim(
        &self,
        token: &CancellationToken,
        left: impl Fn(BootTime) -> Option<Duration> + Send,
    ) {
        let clock = &self.inner.ports.clock;
        while let Some(rest) = left(clock.boot_time()) {
            tokio::select! {
                // Both only wait.
                () = clock.sleep(rest.min(LOOK)) => {}
                () = token.cancelled() => return,
            }
        }
    }

    async fn prepare(&self, id: &SandboxId, shape: &SandboxSpec) -> Result<(), EngineError> {
        let ports = &self.inner.ports;
        let record = PreparedRecord {
            id: id.clone(),
            node: self.inner.settings.node.clone(),
            uid_slot: 0,
            source: shape.source.clone(),
            created_at: ports.clock.now(),
        };
        let uid_slot = ports.store.prepared_insert(&record).await?.uid_slot;
        let request = StartRequest { sandbox: id.clone(), uid_slot, spec: shape.clone() };
        ports.runtimes.of(shape.runtime)?.start(&request).await?;
        match tokio::time::timeout(GREET_TIMEOUT, ports.agents.greet(id)).await {
            Ok(greeted) => Ok(greeted?),
            Err(_) => Err(EngineError::new(ErrorCode::RuntimeFailed, "the agent of a new sandbox is silent")),
        }
    }

    /// Removes one that is held. What cannot be removed now has no owner then, and the reconciler tries again.
    pub(super) async fn discard(&self, id: &SandboxId) -> Result<(), EngineError> {
        let done = self.remove_prepared(id).await;
        self.inner.pools.release(id);
        done
    }

    async fn remove_prepared(&self, id: &SandboxId) -> Result<(), EngineError> {
        let ports = &self.inner.ports;
        ports.agents.forget(id);
        ports.runtimes.remove_anywhere(id).await?;
        ports.store.prepared_remove(id).await?;
        Ok(())
    }

    /// Removes what another serve made ahead, and what could not be discarded.
    pub(crate) async fn remove_unowned_prepared(&self) -> Result<(), EngineError> {
        for record in self.inner.ports.store.prepared_list_node(&self.inner.settings.node).await? {
            let id = &record.id;
            if !self.inner.pools.holds(id) && self.inner.records.get(id).is_none() {
                self.remove_prepared(id).await?;
            }
        }
        Ok(())
    }

    /// The agent of one that was ready has ended: nobody gets it. False when it is none of those.
    pub(crate) fn prepared_died(&self, id: &SandboxId) -> bool {
        if !self.inner.pools.take_dead(id) {
            return self.inner.pools.holds(id);
        }
        let (engine, id) = (self.clone(), id.clone());
        let spawned = self.inner.operations.spawn("discard sandbox", Kind::WORK, move |_| async move {
            let done = engine.discard(&id).await;
            engine.inner.pools.refill();
            done
        });
        // A serve that stops leaves it to the next one's boot.
        drop(spawned);
        true
    }
}
