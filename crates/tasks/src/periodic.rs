//! A pass that runs again and again, and whenever it is asked for; never two at once.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::group::{Group, caught};
use crate::kind::{Kind, Outcome, chain};
use crate::registry::ShuttingDown;

/// How the passes of a driver went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassStatus {
    /// Passes begun.
    pub started: u64,
    /// Passes ended, well or not.
    pub finished: u64,
    /// Failures since the last pass that went well.
    pub failed_in_a_row: u64,
    /// When the last pass ended.
    pub last_finished: Option<Instant>,
    /// How long it took.
    pub last_duration: Duration,
    /// Why it failed, with all causes; `None` when it went well.
    pub last_error: Option<String>,
}

/// Handle of a periodic driver. A cheap clone; dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Periodic {
    wake: Arc<Notify>,
    status: watch::Receiver<PassStatus>,
}

impl Periodic {
    /// Asks for a pass now. Several askings before it begins are one pass; one that runs is followed by another.
    pub fn activate(&self) {
        self.wake.notify_one();
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> PassStatus {
        self.status.borrow().clone()
    }

    /// Asks for a pass and returns the status after one that began after this call.
    ///
    /// # Errors
    /// When the driver stops before.
    pub async fn run(&self) -> Result<PassStatus, ShuttingDown> {
        let mut status = self.status.clone();
        let pass = status.borrow().started + 1;
        self.activate();
        // Cancel safe: it only waits.
        let reached = status.wait_for(|status| status.finished >= pass).await.map_err(|_| ShuttingDown)?;
        Ok(reached.clone())
    }
}

impl Group {
    /// Runs `pass` now, then `interval` after the end of each pass, and whenever the handle asks for it. A pass that fails or
    /// panics is logged and counted; the driver goes on. A pass that runs when the group is cancelled is waited for;
    /// it sees its token.
    ///
    /// # Errors
    /// When the group is being stopped.
    pub fn periodic<F, Fut>(
        &self,
        name: impl Into<Cow<'static, str>>,
        interval: Duration,
        mut pass: F,
    ) -> Result<Periodic, ShuttingDown>
    where
        F: FnMut(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output: Outcome> + Send + 'static,
    {
        let name = name.into();
        let task = name.clone();
        let group = self.name;
        let wake = Arc::new(Notify::new());
        let (sender, status) = watch::channel(PassStatus::default());
        let woken = Arc::clone(&wake);
        self.spawn(name, Kind::WORK, move |token| async move {
            while !token.is_cancelled() {
                let began = Instant::now();
                sender.send_modify(|status| status.started += 1);
                // Made inside, so that a panic while it is being made is caught as well.
                let outcome = caught(async { pass(token.clone()).await }).await;
                let error = match outcome {
                    Ok(outcome) => outcome.into_error().map(|error| chain(&error)),
                    Err(panic) => Some(format!("panicked: {panic}")),
                };
                if let Some(error) = &error {
                    tracing::warn!(group, task = %task, "a pass of {task} failed: {error}");
                }
                sender.send_modify(|status| status.ended(began, error));
                tokio::select! {
                    // All three only wait; the work happens after one is chosen.
                    () = token.cancelled() => {}
                    () = woken.notified() => {}
                    () = tokio::time::sleep(interval) => {}
                }
            }
        })?;
        Ok(Periodic { wake, status })
    }
}

impl PassStatus {
    fn ended(&mut self, began: Instant, error: Option<String>) {
        let now = Instant::now();
        self.finished += 1;
        self.last_finished = Some(now);
        self.last_duration = now.duration_since(began);
        self.failed_in_a_row = if error.is_some() { self.failed_in_a_row + 1 } else { 0 };
        self.last_error = error;
    }
}
