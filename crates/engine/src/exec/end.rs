//! The end of an exec: written down, told to whoever waits, and only then forgotten by its agent.

use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{ExecOutcome, ExecRecord, StoreError};
use atoll_types::{ErrorCode, ExecStatus, Signal};
use tokio_util::sync::CancellationToken;

use super::drain::{BACKOFF_MAX, BACKOFF_MIN, Outcome};
use super::live::{End, LiveExec};
use crate::{Engine, EngineError};

/// Time that an agent has to take the signal that ends a command which was given up.
const KILL_LIMIT: Duration = Duration::from_secs(2);

impl Engine {
    pub(super) async fn end(
        &self,
        live: &Arc<LiveExec>,
        (outcome, truncated): (Outcome, bool),
        token: &CancellationToken,
    ) {
        let last_seq = live.progress().borrow().last_seq;
        let (status, exit, last_seq, failure, refused) = match outcome {
            Outcome::Cut => return,
            Outcome::Exited { exit, seq } => {
                let status = if exit.timed_out { ExecStatus::TimedOut } else { ExecStatus::Exited };
                (status, Some(exit), seq, None, None)
            }
            Outcome::Lost(why) => (ExecStatus::Lost, None, last_seq, Some(why), None),
            Outcome::Refused(error) => {
                let EngineError { code, message, .. } = error;
                (ExecStatus::Failed, None, last_seq, Some(message.clone()), Some((code, message)))
            }
        };
        let clock = &self.inner.ports.clock;
        let duration = clock.boot_time().since(live.since);
        self.count_exec_end(duration);
        let mut record = live.record.clone();
        record.status = status;
        record.outcome = Some(ExecOutcome {
            status,
            exit,
            last_seq,
            finished_at: clock.now(),
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            truncated,
            failure,
        });
        self.write_end(live, End { record, refused }, token).await;
    }

    /// Writes the end down, tells whoever waits, and only then lets the agent forget.
    async fn write_end(&self, live: &Arc<LiveExec>, end: End, token: &CancellationToken) {
        if self.keep_end(live, &end, token).await.is_err() {
            return;
        }
        let outcome = end.record.outcome.as_ref();
        let exited = outcome.filter(|o| o.exit.is_some()).map(|o| o.last_seq);
        let given_up = match &end.refused {
            Some((code, _)) => *code == ErrorCode::AgentUnreachable,
            // Called lost while its sandbox lives: what is left of it must not run on unseen.
            None => exited.is_none() && !live.lost.is_cancelled(),
        };
        self.tell(live, end);
        if let Some(seq) = exited {
            self.acknowledge_end(live.sandbox(), live.id(), seq, token).await;
        } else if given_up {
            self.give_up(live).await;
        }
    }

    /// Tries until the end is in the store, or serve stops.
    async fn keep_end(&self, live: &LiveExec, end: &End, token: &CancellationToken) -> Result<(), Outcome> {
        let mut wait = BACKOFF_MIN;
        while let Err(error) = self.inner.ports.store.exec_finish(&end.record).await {
            if matches!(error, StoreError::Absent { .. }) {
                // The sandbox was deleted, and its execs with it: there is nobody to tell but who waits.
                return Ok(());
            }
            tracing::warn!(exec.id = %live.id(), "the end of an exec cannot be written: {error}");
            let slept = self.inner.ports.clock.sleep(wait);
            wait = (wait * 2).min(BACKOFF_MAX);
            tokio::select! {
                // Cancel safe: both only wait. Not cut short by a sandbox that went down: this is what it waits for.
                () = token.cancelled() => return Err(Outcome::Cut),
                () = slept => {}
            }
        }
        Ok(())
    }

    fn tell(&self, live: &LiveExec, end: End) {
        self.inner.activity.touch(live.sandbox(), self.inner.ports.clock.boot_time());
        // No longer live before anybody hears of its end, so that nobody who has finds it running.
        self.inner.execs.remove(live.id());
        self.exec_ended(&end.record);
        live.update(|p| p.end = Some(Arc::new(end)));
    }

    /// A command whose record could not be written never was: whoever asked is told, and the agent ends it.
    pub(super) async fn refuse(&self, live: &LiveExec, error: EngineError) {
        let record = ExecRecord { status: ExecStatus::Failed, ..live.record.clone() };
        self.tell(live, End { record, refused: Some((error.code, error.message)) });
        self.give_up(live).await;
    }

    /// Ends a command that nobody follows any more, if it runs.
    async fn give_up(&self, live: &LiveExec) {
        let kill = self.inner.ports.agents.signal(live.sandbox(), live.id(), Signal::Kill);
        drop(tokio::time::timeout(KILL_LIMIT, kill).await);
        // Its end is settled at the next pass, and so is it if it did not hear.
        if self.inner.records.get(live.sandbox()).is_some() {
            self.inner.acks.unsettle(live.sandbox());
        }
    }
}
