//! Gives memory back after bursts.

use std::time::Duration;

use tokio::sync::Notify;

use crate::sys;

/// How long the agent waits for more to be freed, so that it trims once after a burst and never in one.
const TRIM_AFTER: Duration = Duration::from_secs(1);

/// Told when memory was freed.
#[derive(Debug, Default)]
pub(crate) struct Trimmer(Notify);

impl Trimmer {
    /// Something was freed: trim a little later.
    pub(crate) fn freed(&self) {
        self.0.notify_one();
    }

    /// Trims for ever.
    pub(crate) async fn run(&self) {
        loop {
            self.0.notified().await;
            tokio::time::sleep(TRIM_AFTER).await;
            sys::trim_heap();
        }
    }
}
