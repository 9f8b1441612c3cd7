//! Streams of events: from the log on disk, each reader at its own pace.

use std::collections::VecDeque;
use std::sync::Arc;

use atoll_ports::{ExecLogReader, ExecRecord};
use atoll_types::{ErrorCode, ExecEvent, ExecEventKind, ExecId, SandboxId};
use tokio::sync::watch;

use super::live::{LiveExec, Progress};
use crate::{Caller, Engine, EngineError, ExecEvents};

/// Output that is read from the log at once: one event at most in the usual case.
const READ_BYTES: usize = 64 << 10;

/// Where the end of the exec is learned from.
enum Source {
    Live { progress: watch::Receiver<Progress>, exec: Arc<LiveExec> },
    Ended(Box<ExecRecord>),
}

struct Reader {
    log: Box<dyn ExecLogReader>,
    source: Source,
    ready: VecDeque<ExecEvent>,
    /// Number of the event that comes next.
    next: u64,
    done: bool,
}

impl Engine {
    /// The events after `after_seq`, waiting for new ones until the exit.
    ///
    /// # Errors
    /// `exec_not_found`; the stream itself ends with `events_expired` where events were dropped.
    pub async fn exec_events(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        exec: &ExecId,
        after_seq: u64,
    ) -> Result<ExecEvents, EngineError> {
        self.owned(caller, sandbox)?;
        let source = self.source(sandbox, exec).await?;
        let log = self.inner.ports.exec_logs.reader(sandbox, exec, after_seq).await?;
        let reader =
            Reader { log, source, ready: VecDeque::new(), next: after_seq.saturating_add(1), done: false };
        let events = futures_util::stream::unfold(reader, |mut reader| async move {
            let event = reader.next().await?;
            reader.done |= event.is_err();
            Some((event, reader))
        });
        Ok(Box::pin(events))
    }

    async fn source(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<Source, EngineError> {
        let live = |live: Arc<LiveExec>| Source::Live { progress: live.progress(), exec: live };
        if let Some(found) = self.inner.execs.get(sandbox, exec) {
            return Ok(live(found));
        }
        let record = self.exec_record(sandbox, exec).await?;
        if record.outcome.is_some() {
            return Ok(Source::Ended(Box::new(record)));
        }
        // It runs, and this serve does not follow it: it is about to be taken up, or serve stops.
        self.inner.execs.get(sandbox, exec).map(live).ok_or_else(stopping)
    }
}

impl Source {
    /// The record with its outcome, once it has one. Marks what is seen.
    fn ended(&mut self) -> Option<ExecRecord> {
        match self {
            Self::Live { progress, .. } => {
                progress.borrow_and_update().end.as_ref().map(|e| e.record.clone())
            }
            Self::Ended(record) => Some(ExecRecord::clone(record)),
        }
    }

    /// Waits for more; false when serve stops before. Cancel safe.
    async fn changed(&mut self) -> bool {
        match self {
            Self::Live { progress, .. } => !progress.borrow().cut && progress.changed().await.is_ok(),
            Self::Ended(_) => false,
        }
    }

    fn created_at(&self) -> atoll_types::Timestamp {
        match self {
            Self::Live { exec, .. } => exec.record.created_at,
            Self::Ended(record) => record.created_at,
        }
    }
}

impl Reader {
    async fn next(&mut self) -> Option<Result<ExecEvent, EngineError>> {
        if self.done {
            return None;
        }
        if self.next == 1 {
            self.next = 2;
            return Some(Ok(ExecEvent {
                seq: 1,
                time: self.source.created_at(),
                kind: ExecEventKind::Start,
            }));
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(self.in_order(event));
            }
            // Asked before the log is read: once it has ended, what the log holds is all.
            let ended = self.source.ended();
            let page = match self.log.next(READ_BYTES).await {
                Ok(page) => page,
                Err(error) => return Some(Err(error.into())),
            };
            if !page.events.is_empty() {
                self.ready.extend(page.events);
                continue;
            }
            if let Some(record) = ended {
                return self.exit(&record);
            }
            if !self.source.changed().await {
                return Some(Err(stopping()));
            }
        }
    }

    fn in_order(&mut self, event: ExecEvent) -> Result<ExecEvent, EngineError> {
        if event.seq != self.next {
            return Err(expired(event.seq));
        }
        self.next += 1;
        Ok(event)
    }

    fn exit(&mut self, record: &ExecRecord) -> Option<Result<ExecEvent, EngineError>> {
        self.done = true;
        let outcome = record.outcome.as_ref()?;
        let exit = outcome.exit.clone()?;
        if self.next > outcome.last_seq {
            return None;
        }
        if self.next < outcome.last_seq {
            return Some(Err(expired(outcome.last_seq)));
        }
        Some(Ok(ExecEvent {
            seq: outcome.last_seq,
            time: outcome.finished_at,
            kind: ExecEventKind::Exit(exit),
        }))
    }
}

fn stopping() -> EngineError {
    atoll_tasks::ShuttingDown.into()
}

fn expired(first_seq: u64) -> EngineError {
    let text = format!("these events are no longer held: the first that is has number {first_seq}");
    EngineError { first_seq: Some(first_seq), ..EngineError::new(ErrorCode::EventsExpired, text) }
}
