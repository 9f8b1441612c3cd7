//! Gives memory back after bursts.

use std::time::Duration;

use tokio::sync::Notify;

use crate::sys;

/// Time without anything freed after which the agent trims: once after a burst and not in one, since a trim takes the processor for a
/// millisecond or more, from whoever waits for a command in another sandbox, and the pages come back one by one.
const TRIM_AFTER: Duration = Duration::from_secs(1);
/// Longest time that a burst without an end keeps what it has freed.
const BURST_MAX: Duration = Duration::from_secs(30);

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
            drop(tokio::time::timeout(BURST_MAX, self.quiet()).await);
            sys::trim_heap();
        }
    }

    /// Waits until nothing has been freed for a while.
    async fn quiet(&self) {
        while tokio::time::timeout(TRIM_AFTER, self.0.notified()).await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_over_a_second_after_its_last() {
        let trimmer = Trimmer::default();
        let began = Instant::now();
        let burst = async {
            for _ in 0..10 {
                tokio::time::sleep(TRIM_AFTER / 2).await;
                trimmer.freed();
            }
        };
        let ((), ()) = tokio::join!(burst, trimmer.quiet());
        assert_eq!(began.elapsed().as_secs(), 6);
    }
}
