//! Draining one exec: from the agent into the log, acknowledged only once it is there.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{AgentError, EXEC_EVENT_BYTES, EventStream, ExecLogWriter, StartExec, StoreError};
use atoll_types::{ExecEvent, ExecEventKind, ExecExit, Status};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use super::live::LiveExec;
use crate::records::shown;
use crate::{Engine, EngineError};

/// What the events cost their agent that are on disk and not yet acknowledged: a quarter of its ring, so that the child rarely
/// waits for an acknowledgement and few are sent.
const UNACKNOWLEDGED_BYTES_MAX: usize = 256 << 10;
/// Silence after which less than that is acknowledged, too: an agent that holds much in all stops rings that are smaller, and an
/// earlier serve may have left one that is full.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_secs(1);
/// Shortest and longest wait before the agent or the disk is tried again.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(20);
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Times that a start is tried on an agent that does not answer while its sandbox is thought to run.
const START_ATTEMPTS: u32 = 3;

/// A command that somebody waits for and that ends sooner is written down once, with its end: until then nothing of it
/// has been acknowledged, so that nothing is owed should serve die.
const RECORD_DELAY: Duration = Duration::from_millis(10);
/// Times that the record of a new exec is tried to be written, before the exec is refused.
const RECORD_ATTEMPTS: u32 = 3;

/// How a drain ends.
pub(super) enum Outcome {
    Exited {
        exit: ExecExit,
        seq: u64,
    },
    Lost(String),
    Refused(EngineError),
    /// serve stops: nothing is decided, the next one goes on.
    Cut,
}

/// A drain under way.
struct Drain {
    live: Arc<LiveExec>,
    /// Opened at the first output, where nothing can have been logged before.
    writer: Option<Box<dyn ExecLogWriter>>,
    stream: EventStream,
    last_seq: u64,
    /// What the events that are logged and not acknowledged cost the agent, in bytes; at least one where an earlier serve may have
    /// left some.
    unacknowledged: usize,
    token: CancellationToken,
}

/// A stream that has ended: whoever follows it attaches again.
fn broken() -> EventStream {
    Box::pin(tokio_stream::empty())
}

/// Waits for an answer, or until serve stops or the sandbox goes down. Drops the work then.
async fn unless_over<T>(
    live: &LiveExec,
    token: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, Outcome> {
    tokio::select! {
        // What is dropped is a call to an agent, which may be repeated, or a sleep.
        () = token.cancelled() => Err(Outcome::Cut),
        () = live.lost.cancelled() => Err(Outcome::Lost(live.lost_because())),
        done = work => Ok(done),
    }
}

impl Engine {
    /// Starts a command in its sandbox and drains it to its end.
    pub(crate) async fn drain_new(self, live: Arc<LiveExec>, start: StartExec, token: CancellationToken) {
        let _place = self.inner.execs.place(&live);
        // At the same time: an exec is acknowledged only after its record, and a command without one is ended at the
        // next boot.
        let mut drained = pin!(self.start_and_drain(&live, start, &token));
        if live.is_waited_for() {
            tokio::select! {
                // Cancel safe: the work is only borrowed, and goes on below.
                biased;
                outcome = &mut drained => return self.end(&live, outcome, &token).await,
                () = tokio::time::sleep(RECORD_DELAY) => {}
            }
        }
        let (refused, outcome) = tokio::join!(self.record(&live, &token), drained);
        match refused {
            None => self.end(&live, outcome, &token).await,
            Some(refused) => self.refuse(&live, refused).await,
        }
    }

    /// Goes on with a command that an earlier serve started.
    pub(crate) async fn drain_again(self, live: Arc<LiveExec>, token: CancellationToken) {
        let _place = self.inner.execs.place(&live);
        live.update(|p| (p.recorded, p.started) = (true, true));
        let outcome = self.drain_logged(&live, broken(), &token).await;
        self.end(&live, outcome, &token).await;
    }

    /// Writes the record; answers why that cannot be, and then the command is given up.
    async fn record(&self, live: &LiveExec, token: &CancellationToken) -> Option<EngineError> {
        let mut attempt = 1;
        loop {
            let error = match self.inner.ports.store.exec_insert(&live.record).await {
                // There already: an attempt whose answer was lost, or a main process that is taken up again.
                Ok(()) | Err(StoreError::Conflict { .. }) => {
                    live.update(|p| p.recorded = true);
                    return None;
                }
                Err(error) => error,
            };
            let last = matches!(error, StoreError::Absent { .. }) || attempt == RECORD_ATTEMPTS;
            if last || token.is_cancelled() {
                tracing::warn!(exec.id = %live.id(), "an exec could not be recorded and is given up: {error}");
                live.lose("it could not be written down");
                return Some(error.into());
            }
            self.inner.ports.clock.sleep(BACKOFF_MIN * attempt).await;
            attempt += 1;
        }
    }

    async fn start_and_drain(
        &self,
        live: &Arc<LiveExec>,
        mut start: StartExec,
        token: &CancellationToken,
    ) -> (Outcome, bool) {
        let given = unless_over(live, token, self.give_secrets(live, &mut start.env)).await;
        match given {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return (Outcome::Refused(error), false),
            Err(outcome) => return (outcome, false),
        }
        let started = unless_over(live, token, self.start_on_agent(live, start)).await;
        match started {
            Ok(Ok(stream)) => {
                live.update(|p| p.started = true);
                match live.may_be_logged() {
                    false => self.drain(live, None, stream, token).await,
                    true => self.drain_logged(live, stream, token).await,
                }
            }
            // It has run for a while: the start was repeated by a later serve.
            Ok(Err(AgentError::EventsGone { .. })) => {
                live.update(|p| p.started = true);
                self.drain_logged(live, broken(), token).await
            }
            Ok(Err(error)) => (Outcome::Refused(error.into()), false),
            Err(outcome) => (outcome, false),
        }
    }

    /// Adds the secrets of its environment, and notes which, before anything is begun.
    async fn give_secrets(
        &self,
        live: &LiveExec,
        env: &mut Vec<(String, String)>,
    ) -> Result<(), EngineError> {
        let asked = live.take_asked();
        let Some(sandbox) = self.inner.records.get(live.sandbox()) else { return Ok(()) };
        let Some(used) = self.add_secrets(&sandbox, &live.record.spec.env, env).await? else { return Ok(()) };
        self.audit_secrets(asked.as_ref(), &sandbox, &used, ("exec", live.id().as_str())).await
    }

    async fn start_on_agent(&self, live: &LiveExec, start: StartExec) -> Result<EventStream, AgentError> {
        let sandbox = live.sandbox();
        let mut attempt = 1;
        loop {
            match self.inner.ports.agents.exec(sandbox, start.clone()).await {
                // Ended ones that it still holds give way.
                Err(AgentError::TooMany) if self.send_ends(sandbox).await => {}
                // The same id again: an agent that has started it only streams.
                Err(AgentError::Unreachable(_)) if attempt < START_ATTEMPTS => {
                    self.inner.ports.clock.sleep(BACKOFF_MIN * attempt).await;
                }
                result => return result,
            }
            attempt += 1;
        }
    }

    /// Drains behind what is in the log.
    async fn drain_logged(
        &self,
        live: &Arc<LiveExec>,
        stream: EventStream,
        token: &CancellationToken,
    ) -> (Outcome, bool) {
        let writer = match self.open_log(live, token).await {
            Ok(writer) => writer,
            Err(outcome) => return (outcome, false),
        };
        let last_seq = writer.last_seq();
        live.update(|p| p.last_seq = last_seq);
        // Where an earlier serve has logged a part already, the rest is asked for.
        let stream = if last_seq > 0 { broken() } else { stream };
        self.drain(live, Some(writer), stream, token).await
    }

    async fn drain(
        &self,
        live: &Arc<LiveExec>,
        writer: Option<Box<dyn ExecLogWriter>>,
        stream: EventStream,
        token: &CancellationToken,
    ) -> (Outcome, bool) {
        let last_seq = writer.as_ref().map_or(0, |w| w.last_seq());
        let (live, token) = (Arc::clone(live), token.clone());
        let unacknowledged = usize::from(last_seq > 0);
        let mut drain = Drain { live, writer, stream, last_seq, unacknowledged, token };
        let outcome = self.run_drain(&mut drain).await;
        (outcome, drain.writer.is_some_and(|w| w.truncated()))
    }

    async fn open_log(
        &self,
        live: &LiveExec,
        token: &CancellationToken,
    ) -> Result<Box<dyn ExecLogWriter>, Outcome> {
        let mut wait = BACKOFF_MIN;
        loop {
            match self.inner.ports.exec_logs.writer(live.sandbox(), live.id(), live.record.kind).await {
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
                // Cancel safe: all only wait; an event not taken stays in the agent.
                () = drain.token.cancelled() => return Outcome::Cut,
                () = drain.live.lost.cancelled() => return Outcome::Lost(drain.live.lost_because()),
                next = drain.stream.next() => Some(next),
                () = tokio::time::sleep(ACKNOWLEDGE_AFTER), if drain.unacknowledged > 0 => None,
            };
            let step = match next {
                None => self.acknowledge(drain).await,
                Some(Some(Ok(event))) => self.take(drain, event).await,
                Some(Some(Err(AgentError::Protocol(what)))) => {
                    tracing::error!(sandbox.id = %drain.live.sandbox(), "an agent broke the protocol: {what}");
                    Err(Outcome::Lost(format!("its agent broke the protocol: {what}")))
                }
                Some(Some(Err(_)) | None) => self.attach_again(drain).await,
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
                let cost = data.len() + EXEC_EVENT_BYTES;
                drain.last_seq = event.seq;
                self.write(drain, event).await?;
                drain.unacknowledged += cost;
                if drain.unacknowledged < UNACKNOWLEDGED_BYTES_MAX {
                    Ok(())
                } else {
                    self.acknowledge(drain).await
                }
            }
        }
    }

    /// Writes to the log. A full disk makes the exec wait: its ring in the agent fills, and then the child waits.
    async fn write(&self, drain: &mut Drain, event: ExecEvent) -> Result<(), Outcome> {
        let mut wait = BACKOFF_MIN;
        let event = [event];
        let writer = match &mut drain.writer {
            Some(writer) => writer,
            none => none.insert(self.open_log(&drain.live, &drain.token).await?),
        };
        while let Err(error) = writer.append(&event).await {
            tracing::warn!(exec.id = %drain.live.id(), "the log of an exec cannot be written: {error}");
            self.pause(&drain.live, &drain.token, &mut wait).await?;
        }
        let seq = drain.last_seq;
        drain.live.update(|p| p.last_seq = seq);
        Ok(())
    }

    async fn acknowledge(&self, drain: &mut Drain) -> Result<(), Outcome> {
        let acked = [(drain.live.id().clone(), drain.last_seq)];
        let sent = self.inner.ports.agents.ack(drain.live.sandbox(), &acked);
        // An acknowledgement that is lost is made good by the next one.
        if unless_over(&drain.live, &drain.token, sent).await?.is_ok() {
            drain.unacknowledged = 0;
        }
        Ok(())
    }

    /// The stream broke: attach behind what is on disk until the agent answers or the sandbox is known to be down.
    async fn attach_again(&self, drain: &mut Drain) -> Result<(), Outcome> {
        let mut wait = BACKOFF_MIN;
        let (sandbox, exec) = (drain.live.sandbox().clone(), drain.live.id().clone());
        loop {
            let attach = self.inner.ports.agents.attach(&sandbox, &exec, drain.last_seq);
            match unless_over(&drain.live, &drain.token, attach).await? {
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
        unless_over(live, token, slept).await
    }
}
