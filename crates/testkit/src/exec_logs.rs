//! Logs of execs in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{ExecLogError, ExecLogReader, ExecLogWriter, ExecLogs, LogPage};
use atoll_types::{ExecEvent, ExecEventKind, ExecId, ExecKind, SandboxId};
use parking_lot::Mutex;

use crate::faults::Faults;

/// Output kept per exec, in bytes, unless told otherwise: as the real one keeps.
const LOG_BYTES_MAX: usize = 64 << 20;

/// What a planned fault of the logs says.
#[derive(Debug, Clone)]
pub struct LogFault;

impl From<LogFault> for ExecLogError {
    fn from(_: LogFault) -> Self {
        Self { action: "written", source: std::io::Error::other("a test planned this") }
    }
}

#[derive(Debug, Default)]
struct Log {
    events: VecDeque<ExecEvent>,
    bytes: usize,
    last_seq: u64,
    truncated: bool,
}

type Key = (SandboxId, ExecId);
type Logs = Mutex<HashMap<Key, Log>>;

#[derive(Debug)]
struct Inner {
    logs: Logs,
    faults: Faults<LogFault>,
    bytes_max: usize,
}

/// Logs in memory; what they hold survives as long as they do.
#[derive(Debug, Clone)]
pub struct FakeExecLogs(Arc<Inner>);

impl Default for FakeExecLogs {
    fn default() -> Self {
        Self::with_bytes_max(LOG_BYTES_MAX)
    }
}

fn output_len(event: &ExecEvent) -> Option<usize> {
    match &event.kind {
        ExecEventKind::Output(_, data) => Some(data.len()),
        ExecEventKind::Start | ExecEventKind::Exit(_) => None,
    }
}

impl FakeExecLogs {
    /// Empty logs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty logs that keep at most this many bytes of output for each exec.
    #[must_use]
    pub fn with_bytes_max(bytes_max: usize) -> Self {
        Self(Arc::new(Inner { logs: Mutex::default(), faults: Faults::default(), bytes_max }))
    }

    /// Faults to plan: `writer`, `append`, `reader`, `next`, `remove`, `remove_sandbox`, `sandboxes`.
    pub fn faults(&self) -> &Faults<LogFault> {
        &self.0.faults
    }

    /// All events that are held of one exec.
    #[must_use]
    pub fn held(&self, sandbox: &SandboxId, exec: &ExecId) -> Vec<ExecEvent> {
        let logs = self.0.logs.lock();
        logs.get(&(sandbox.clone(), exec.clone()))
            .map(|log| log.events.iter().cloned().collect())
            .unwrap_or_default()
    }
}

impl Log {
    fn append(&mut self, events: &[ExecEvent], bytes_max: usize) {
        for event in events {
            let Some(len) = output_len(event).filter(|_| event.seq > self.last_seq) else { continue };
            self.last_seq = event.seq;
            self.bytes += len;
            self.events.push_back(event.clone());
        }
        while self.bytes > bytes_max && self.events.len() > 1 {
            let dropped = self.events.pop_front().as_ref().and_then(output_len).unwrap_or(0);
            self.bytes -= dropped;
            self.truncated = true;
        }
    }

    fn read(&self, after_seq: u64, bytes_max: usize) -> LogPage {
        let mut page = LogPage { events: Vec::new(), first_held: None };
        if self.truncated {
            page.first_held = self.events.front().map(|e| e.seq);
        }
        let mut bytes = 0;
        for event in self.events.iter().filter(|e| e.seq > after_seq) {
            let len = output_len(event).unwrap_or(0);
            let gap = page.events.last().is_some_and(|before| before.seq + 1 != event.seq);
            if gap || (!page.events.is_empty() && bytes + len > bytes_max) {
                break;
            }
            bytes += len;
            page.events.push(event.clone());
        }
        page
    }
}

#[derive(Debug)]
struct Writer {
    inner: Arc<Inner>,
    key: Key,
    last_seq: u64,
    truncated: bool,
}

#[async_trait]
impl ExecLogWriter for Writer {
    fn last_seq(&self) -> u64 {
        self.last_seq
    }

    async fn append(&mut self, events: &[ExecEvent]) -> Result<(), ExecLogError> {
        let Self { inner, key, last_seq, truncated } = self;
        inner
            .faults
            .around("append", async || {
                if !events.iter().any(|e| output_len(e).is_some()) {
                    return Ok(());
                }
                let mut logs = inner.logs.lock();
                let log = logs.entry(key.clone()).or_default();
                log.append(events, inner.bytes_max);
                *last_seq = log.last_seq;
                *truncated = log.truncated;
                Ok(())
            })
            .await
    }

    fn truncated(&self) -> bool {
        self.truncated
    }
}

#[derive(Debug)]
struct Reader {
    inner: Arc<Inner>,
    key: Key,
    after_seq: u64,
}

#[async_trait]
impl ExecLogReader for Reader {
    async fn next(&mut self, max_bytes: usize) -> Result<LogPage, ExecLogError> {
        let Self { inner, key, after_seq } = self;
        inner
            .faults
            .around("next", async || {
                let empty = LogPage { events: Vec::new(), first_held: None };
                let page = inner.logs.lock().get(key).map_or(empty, |log| log.read(*after_seq, max_bytes));
                *after_seq = page.events.last().map_or(*after_seq, |e| e.seq);
                Ok(page)
            })
            .await
    }
}

#[async_trait]
impl ExecLogs for FakeExecLogs {
    async fn writer(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        _same_for_all: ExecKind,
    ) -> Result<Box<dyn ExecLogWriter>, ExecLogError> {
        let key = (sandbox.clone(), exec.clone());
        self.0
            .faults
            .around("writer", async || {
                let (last_seq, truncated) =
                    self.0.logs.lock().get(&key).map_or((0, false), |log| (log.last_seq, log.truncated));
                let writer = Writer { inner: Arc::clone(&self.0), key: key.clone(), last_seq, truncated };
                Ok(Box::new(writer) as Box<dyn ExecLogWriter>)
            })
            .await
    }

    async fn reader(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        after_seq: u64,
    ) -> Result<Box<dyn ExecLogReader>, ExecLogError> {
        let key = (sandbox.clone(), exec.clone());
        self.0
            .faults
            .around("reader", async || {
                let reader = Reader { inner: Arc::clone(&self.0), key: key.clone(), after_seq };
                Ok(Box::new(reader) as Box<dyn ExecLogReader>)
            })
            .await
    }

    async fn remove(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<(), ExecLogError> {
        let key = (sandbox.clone(), exec.clone());
        self.0
            .faults
            .around("remove", async || {
                self.0.logs.lock().remove(&key);
                Ok(())
            })
            .await
    }

    async fn remove_sandbox(&self, sandbox: &SandboxId) -> Result<(), ExecLogError> {
        self.0
            .faults
            .around("remove_sandbox", async || {
                self.0.logs.lock().retain(|(of, _), _| of != sandbox);
                Ok(())
            })
            .await
    }

    async fn sandboxes(&self) -> Result<Vec<SandboxId>, ExecLogError> {
        self.0
            .faults
            .around("sandboxes", async || {
                let mut found: Vec<_> = self.0.logs.lock().keys().map(|(of, _)| of.clone()).collect();
                found.sort();
                found.dedup();
                Ok(found)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_fake_keeps_the_contract() {
        crate::contract::exec_logs(async || Arc::new(FakeExecLogs::new()) as Arc<dyn ExecLogs>).await;
        let bounded = async || Arc::new(FakeExecLogs::with_bytes_max(64 << 10)) as Arc<dyn ExecLogs>;
        crate::contract::exec_logs_bounded(64 << 10, bounded).await;
    }
}
