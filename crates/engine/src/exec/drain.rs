//! Draining one exec: from the agent into the log, acknowledged only once it is there.

use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{AgentError, EventStream, ExecLogWriter, ExecOutcome, StartExec, StoreError};
use atoll_types::{ExecEvent, ExecEventKind, ExecExit, ExecStatus, Signal, Status};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use super::live::{End, LiveExec};
use crate::records::shown;
use crate::{Engine, EngineError};

/// Output that is on disk and not yet acknowledged: a quarter of the agent's ring, so that the child rarely waits for an
/// acknowledgement and few are sent.
const UNACKNOWLEDGED_BYTES_MAX: usize = 256 << 10;
/// Shortest and longest wait before the agent or the disk is tried again.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Times that a start is tried on an agent that does not answer while its sandbox is thought to run.
const START_ATTEMPTS: u32 = 3;

/// How a drain ends.
enum Outcome {
    Exited {
        exit: ExecExit,
        seq: u64,
    },
    Lost(String),
    Refused(AgentError),
    /// serve stops: nothing is decided, the next one goes on.
    Cut,
}

/// A drain under way.
struct Drain {
    live: Arc<LiveExec>,
    writer: Box<dyn ExecLogWriter>,
    stream: EventStream,
    last_seq: u64,
    unacknowledged: usize,
    token: CancellationToken,
}

impl Engine {
    /// Starts a command in its sandbox and drains it to its end.
    pub(crate) async fn drain_new(self, live: Arc<LiveExec>, start: StartExec, token: CancellationToken) {
        let store = &self.inner.ports.store;
        // At the same time: an exec is acknowledged only after its record, and a command without one is killed at
        // the next boot.
        let (recorded, started) =
            tokio::join!(store.exec_insert(&live.record), self.start_on_agent(&live, start, &token));
        match recorded {
            Ok(()) => live.update(|p| p.recorded = true),
            Err(error) => tracing::warn!(exec.id = %live.id(), "an exec could not be recorded yet: {error}"),
        }
        let outcome = match started {
            Ok(stream) => self.drain(&live, stream, token.clone()).await,
            Err(AgentError::Unreachable(_)) if live.lost.is_cancelled() => {
                (Outcome::Lost(live.lost_because()), false)
            }
            Err(error) => (Outcome::Refused(error), false),
        };
        self.end(&live, outcome, &token).await;
    }

    /// Goes on with a command that an earlier serve started.
    pub(crate) async fn drain_again(self, live: Arc<LiveExec>, token: CancellationToken) {
        live.update(|p| p.recorded = true);
        let nothing: EventStream = Box::pin(tokio_stream::empty());
        let outcome = self.drain(&live, nothing, token.clone()).await;
        self.end(&live, outcome, &token).await;
    }

    async fn start_on_agent(
        &self,
        live: &LiveExec,
        start: StartExec,
        token: &CancellationToken,
    ) -> Result<EventStream, AgentError> {
        let mut attempt = 1;
        loop {
            let result = self.inner.ports.agents.exec(live.sandbox(), start.clone()).await;
            let again = matches!(result, Err(AgentError::Unreachable(_))) && attempt < START_ATTEMPTS;
            if !again || token.is_cancelled() || live.lost.is_cancelled() {
                return result;
            }
            // The same id again: an agent that has started it only streams.
            self.inner.ports.clock.sleep(BACKOFF_MIN * attempt).await;
            attempt += 1;
        }
    }

    async fn drain(
        &self,
        live: &Arc<LiveExec>,
        stream: EventStream,
        token: CancellationToken,
    ) -> (Outcome, bool) {
        let writer = match self.open_log(live, &token).await {
            Ok(writer) => writer,
            Err(outcome) => return (outcome, false),
        };
        let last_seq = writer.last_seq();
        let mut drain = Drain { live: Arc::clone(live), writer, stream, last_seq, unacknowledged: 0, token };
        let outcome = self.run_drain(&mut drain).await;
        (outcome, drain.writer.truncated())
    }

    async fn open_log(
        &self,
        live: &LiveExec,
        token: &CancellationToken,
    ) -> Result<Box<dyn ExecLogWriter>, Outcome> {
        let mut wait = BACKOFF_MIN;
        loop {
            match self.inner.ports.exec_logs.writer(live.sandbox(), live.id()).await {
                Ok(writer) => return Ok(writer),
                Err(error) => {
                    tracing::warn!(exec.id = %live.id(), "the log of an exec cannot be opened: {error}")
                }
            }
            self.pause(live, token, &mut wait).await?;
        }
    }

    async fn run_drain(&self, drain: &mut Drain) -> Outcome {
        loop {
            let next = tokio::select! {
                // Cancel safe: all three only wait; an event not taken stays in the agent.
                () = drain.token.cancelled() => return Outcome::Cut,
                () = drain.live.lost.cancelled() => return Outcome::Lost(drain.live.lost_because()),
                next = drain.stream.next() => next,
            };
            let step = match next {
                Some(Ok(event)) => self.take(drain, event).await,
                Some(Err(AgentError::Protocol(what))) => {
                    tracing::error!(sandbox.id = %drain.live.sandbox(), "an agent broke the protocol: {what}");
                    Err(Outcome::Lost(format!("its agent broke the protocol: {what}")))
                }
                Some(Err(_)) | None => self.attach_again(drain).await,
            };
            if let Err(outcome) = step {
                return outcome;
            }
        }
    }

    async fn take(&self, drain: &mut Drain, event: ExecEvent) -> Result<(), Outcome> {
        match &event.kind {
            ExecEventKind::Start => Ok(()),
            ExecEventKind::Exit(exit) => Err(Outcome::Exited { exit: exit.clone(), seq: event.seq }),
            ExecEventKind::Output(stream, data) => {
                drain.live.capture(|c| c.push(*stream, data));
                drain.unacknowledged += data.len();
                drain.last_seq = event.seq;
                self.write(drain, event).await?;
                self.acknowledge(drain).await;
                Ok(())
            }
        }
    }

    /// Writes to the log. A full disk makes the exec wait: its ring in the agent fills, and then the child waits.
    async fn write(&self, drain: &mut Drain, event: ExecEvent) -> Result<(), Outcome> {
        let mut wait = BACKOFF_MIN;
        let event = [event];
        while let Err(error) = drain.writer.append(&event).await {
            tracing::warn!(exec.id = %drain.live.id(), "the log of an exec cannot be written: {error}");
            self.pause(&drain.live, &drain.token, &mut wait).await?;
        }
        let seq = drain.last_seq;
        drain.live.update(|p| p.last_seq = seq);
        Ok(())
    }

    async fn acknowledge(&self, drain: &mut Drain) {
        if drain.unacknowledged < UNACKNOWLEDGED_BYTES_MAX {
            return;
        }
        let acked = [(drain.live.id().clone(), drain.last_seq)];
        // An acknowledgement that is lost is made good by the next one.
        if self.inner.ports.agents.ack(drain.live.sandbox(), &acked).await.is_ok() {
            drain.unacknowledged = 0;
        }
    }

    /// The stream broke: attach behind what is on disk until the agent answers or the sandbox is known to be down.
    async fn attach_again(&self, drain: &mut Drain) -> Result<(), Outcome> {
        let mut wait = BACKOFF_MIN;
        let (sandbox, exec) = (drain.live.sandbox().clone(), drain.live.id().clone());
        loop {
            match self.inner.ports.agents.attach(&sandbox, &exec, drain.last_seq).await {
                Ok(stream) => {
                    drain.stream = stream;
                    return Ok(());
                }
                Err(AgentError::NotFound) => {
                    return Err(Outcome::Lost("its agent does not know it".to_owned()));
                }
                Err(AgentError::EventsGone { .. }) => {
                    return Err(Outcome::Lost("a part of its output is gone".to_owned()));
                }
                Err(error) => tracing::debug!(exec.id = %exec, "cannot attach to an exec yet: {error}"),
            }
            let up = self.inner.records.get(&sandbox).is_some_and(|r| shown(&r) != Status::Crashed);
            if !up {
                return Err(Outcome::Lost("its agent died".to_owned()));
            }
            self.pause(&drain.live, &drain.token, &mut wait).await?;
        }
    }

    async fn pause(
        &self,
        live: &LiveExec,
        token: &CancellationToken,
        wait: &mut Duration,
    ) -> Result<(), Outcome> {
        let slept = self.inner.ports.clock.sleep(*wait);
        *wait = (*wait * 2).min(BACKOFF_MAX);
        tokio::select! {
            // Cancel safe: all three only wait.
            () = token.cancelled() => Err(Outcome::Cut),
            () = live.lost.cancelled() => Err(Outcome::Lost(live.lost_because())),
            () = slept => Ok(()),
        }
    }

    async fn end(
        &self,
        live: &Arc<LiveExec>,
        (outcome, truncated): (Outcome, bool),
        token: &CancellationToken,
    ) {
        let last_seq = live.progress().borrow().last_seq;
        let (status, exit, last_seq, failure, refused) = match outcome {
            Outcome::Cut => {
                self.inner.execs.remove(live.id());
                return;
            }
            Outcome::Exited { exit, seq } => {
                let status = if exit.timed_out { ExecStatus::TimedOut } else { ExecStatus::Exited };
                (status, Some(exit), seq, None, None)
            }
            Outcome::Lost(why) => (ExecStatus::Lost, None, last_seq, Some(why), None),
            Outcome::Refused(error) => {
                let text = error.to_string();
                let refused = EngineError::from(error);
                (ExecStatus::Failed, None, last_seq, Some(text.clone()), Some((refused.code, text)))
            }
        };
        let clock = &self.inner.ports.clock;
        let duration = clock.boot_time().since(live.since);
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
        let mut wait = BACKOFF_MIN;
        while let Err(error) = self.inner.ports.store.exec_finish(&end.record).await {
            if matches!(error, StoreError::Absent { .. }) {
                // The sandbox was deleted, and its execs with it: there is nobody to tell but who waits.
                break;
            }
            tracing::warn!(exec.id = %live.id(), "the end of an exec cannot be written: {error}");
            if let Err(Outcome::Cut) = self.pause(live, token, &mut wait).await {
                self.inner.execs.remove(live.id());
                return;
            }
        }
        let outcome = end.record.outcome.as_ref();
        let acked = outcome.filter(|o| o.exit.is_some()).map(|o| [(live.id().clone(), o.last_seq)]);
        let kill = end.record.status == ExecStatus::Lost && !live.lost.is_cancelled();
        live.update(|p| p.end = Some(Arc::new(end)));
        self.inner.execs.remove(live.id());
        self.inner.activity.touch(live.sandbox(), self.inner.ports.clock.boot_time());
        if let Some(acked) = acked {
            // Lost acknowledgements are made good at the next boot; the agent holds a bounded number.
            if let Err(error) = self.inner.ports.agents.ack(live.sandbox(), &acked).await {
                tracing::debug!(exec.id = %live.id(), "the end of an exec is not acknowledged yet: {error}");
            }
        } else if kill {
            // Called lost while its sandbox lives: what is left of it must not run on unseen.
            drop(self.inner.ports.agents.signal(live.sandbox(), live.id(), Signal::Kill).await);
        }
    }
}
