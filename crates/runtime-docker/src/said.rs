//! What Docker said of itself lately.
//!
//! It is asked with every create, also with one that takes what was made ahead, and Docker needs several milliseconds of both processors
//! for an answer. So an answer is good for a while, as long as the broker's events come: they end when Docker goes away. One that is no
//! longer fresh is still given at once, and the next one fetched behind it.

use std::time::Duration;

use atoll_broker_protocol::EngineInfo;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// An answer younger than this is not asked for again.
const FRESH: Duration = Duration::from_secs(5);
/// One older than this is not given any more: nobody has asked for long, and somebody may have installed gVisor since.
const GOOD: Duration = Duration::from_secs(60);
/// Time from a request for a fresher answer to the question: whoever claims a sandbox starts a command in it now.
pub(crate) const ASK_LATER: Duration = Duration::from_secs(1);

/// The last answer, and whether it counts.
#[derive(Debug, Default)]
pub(crate) struct Said {
    state: Mutex<State>,
    /// Somebody was given an answer that is not fresh.
    pub(crate) wanted: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Whether events come.
    is_followed: bool,
    last: Option<(Instant, EngineInfo)>,
}

impl Said {
    /// Events come from now on, or no longer; what was said before is not known to be so.
    pub(crate) fn follow(&self, is_followed: bool) {
        *self.state.lock() = State { is_followed, last: None };
    }

    /// Notes an answer; it is of no use where events do not come.
    pub(crate) fn note(&self, info: EngineInfo) {
        let mut state = self.state.lock();
        if state.is_followed {
            state.last = Some((Instant::now(), info));
        }
    }

    /// The last answer, where it is good.
    pub(crate) fn lately(&self) -> Option<EngineInfo> {
        let state = self.state.lock();
        let (at, info) = state.last.as_ref()?;
        let age = at.elapsed();
        if age > FRESH {
            self.wanted.notify_one();
        }
        (age <= GOOD).then(|| info.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> EngineInfo {
        EngineInfo {
            version: "1".to_owned(),
            storage: "overlay2".to_owned(),
            gvisor: false,
            user_namespaces: false,
            live_restore: false,
            no_networks: None,
            gvisor_networks: false,
            disk_limits: false,
            no_gpus: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_good_for_a_while_and_only_while_events_come() {
        let said = Said::default();
        said.note(info());
        assert_eq!(said.lately(), None);
        said.follow(true);
        assert_eq!(said.lately(), None);
        said.note(info());
        assert_eq!(said.lately(), Some(info()));
        said.follow(false);
        assert_eq!(said.lately(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_not_fresh_is_given_and_another_is_wanted() {
        let said = Said::default();
        said.follow(true);
        said.note(info());
        tokio::time::advance(FRESH).await;
        assert_eq!(said.lately(), Some(info()));
        assert!(tokio::time::timeout(Duration::from_millis(1), said.wanted.notified()).await.is_err());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(said.lately(), Some(info()));
        said.wanted.notified().await;
        tokio::time::advance(GOOD).await;
        assert_eq!(said.lately(), None);
    }
}
