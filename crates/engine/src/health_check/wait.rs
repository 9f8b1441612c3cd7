//! Waiting until sandboxes are healthy.

use std::time::Duration;

use atoll_tasks::Kind;
use atoll_types::{ErrorCode, Health, SandboxId};
use tokio::sync::oneshot;

use crate::{Caller, Engine, EngineError, SandboxView};

impl Engine {
    /// Waits until all of these are healthy, for so long at most.
    ///
    /// # Errors
    /// `sandbox_not_healthy` as soon as one is unhealthy or down, or when the time is over; `sandbox_not_found`, `unavailable`.
    pub async fn sandbox_wait_healthy(
        &self,
        caller: &Caller,
        ids: &[SandboxId],
        within: Duration,
    ) -> Result<Vec<SandboxView>, EngineError> {
        let (mut tell, told) = oneshot::channel();
        let (engine, caller, ids) = (self.clone(), caller.clone(), ids.to_vec());
        let work = move |token: tokio_util::sync::CancellationToken| async move {
            let result = tokio::select! {
                // Cancel safe: all of them only wait.
                () = token.cancelled() => Err(atoll_tasks::ShuttingDown.into()),
                () = tell.closed() => return,
                result = engine.until_healthy(&caller, &ids, within) => result,
            };
            // Nobody may be waiting any more.
            drop(tell.send(result));
        };
        self.inner.drains.spawn("wait for health", Kind::WORK, work)?;
        told.await.unwrap_or_else(|_| Err(atoll_tasks::ShuttingDown.into()))
    }

    async fn until_healthy(
        &self,
        caller: &Caller,
        ids: &[SandboxId],
        within: Duration,
    ) -> Result<Vec<SandboxView>, EngineError> {
        let all = futures_util::future::try_join_all(ids.iter().map(|id| self.one_healthy(caller, id)));
        tokio::select! {
            all = all => all,
            () = self.inner.ports.clock.sleep(within) => {
                let text = format!("not healthy within {} s, and kept: 'atoll get' shows how it is", within.as_secs());
                Err(EngineError::new(ErrorCode::SandboxNotHealthy, text))
            }
        }
    }

    async fn one_healthy(&self, caller: &Caller, id: &SandboxId) -> Result<SandboxView, EngineError> {
        // Health and state are changed before that is told as an event.
        let mut events = self.inner.events.changes();
        loop {
            events.mark_unchanged();
            let view = self.view(&*self.owned(caller, id)?);
            match view.health.health {
                Health::Healthy => return Ok(view),
                Health::Starting => {}
                Health::Unhealthy => return Err(unhealthy(&view)),
                Health::None => {
                    let state = view.status.as_str();
                    let text = format!("the sandbox {id} is {state}, so that it cannot become healthy");
                    return Err(EngineError::new(ErrorCode::SandboxNotHealthy, text));
                }
            }
            // The sender lives in the engine.
            drop(events.changed().await);
        }
    }
}

fn unhealthy(view: &SandboxView) -> EngineError {
    let id = &view.record.id;
    let last = view.health.last.as_ref();
    let how = match last.map(|last| last.exit_code) {
        Some(Some(code)) => format!("ended with {code}"),
        Some(None) | None => "did not end".to_owned(),
    };
    let said = last.map(|last| last.output.trim()).filter(|said| !said.is_empty());
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    let text = format!("the sandbox {id} is unhealthy, and kept: the last check {how}{said}");
    EngineError::new(ErrorCode::SandboxNotHealthy, text)
}
