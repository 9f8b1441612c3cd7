//! Ends of execs, written behind: an end is acknowledged when it is in a journal, a plain file beside the database, and
//! goes to the tables a moment later, many in one transaction.
//!
//! ```text
//!  add ──► journal (write(2)) ──► acknowledged          open: what the journal holds ──► tables
//!             └─► waiting ──(50 ms, or somebody reads)──► writer ──► tables; the journal is emptied
//! ```
//! Why: a commit costs two hops to the thread of SQLite's connection, 0.1 ms where processors sleep, and that is a tenth of
//! what the shortest exec takes; the journal costs 5 µs. Whoever reads execs waits for those that the answer may show.

mod journal;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{Durability, ExecRecord, StoreError};
use parking_lot::Mutex;
use sea_orm::Statement;
use tokio::sync::{Notify, watch};

use crate::query::exec_writes::{self, End};
use crate::writer::{Steps, WriterHandle};
use journal::Journal;

/// Time that ends wait for others: many short execs fit in it, and nobody who reads waits for it.
const LINGER: Duration = Duration::from_millis(50);
/// Ends of one transaction: bounds how long others wait for it, about 10 ms.
const BATCH_ENDS_MAX: usize = 256;
/// Size of the journal, in bytes, from which on ends are committed one by one, until it is empty: a few thousand ends.
const JOURNAL_BYTES_MAX: u64 = 4 << 20;
/// Pause after a transaction that failed: the disk may be full.
const RETRY: Duration = Duration::from_secs(1);

/// What was acknowledged and is not in the tables.
#[derive(Debug)]
struct Waiting {
    journal: Journal,
    /// By ticket, in the order in which they came.
    ends: BTreeMap<u64, End>,
    tickets: u64,
}

/// The ends that wait, and the task that brings them to the tables.
#[derive(Debug)]
pub(crate) struct Ends {
    waiting: Mutex<Waiting>,
    /// There is something to do.
    came: Notify,
    /// Somebody waits for it.
    urgent: Notify,
    progress: watch::Sender<Progress>,
}

/// How far the task has come.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Every end up to this ticket is in the tables.
    settled: u64,
    /// Transactions that failed so far.
    failures: u64,
}

impl Ends {
    /// Opens the journal at `path` and brings what an earlier process left in it to the tables.
    pub(crate) async fn open(path: &Path, writer: &WriterHandle) -> Result<Arc<Self>, OpenEndsError> {
        let (mut journal, held) = Journal::open(path)?;
        for batch in held.chunks(BATCH_ENDS_MAX) {
            write(writer, exec_writes::finish_statement(batch.iter())).await?;
        }
        journal.clear()?;
        let waiting = Mutex::new(Waiting { journal, ends: BTreeMap::new(), tickets: 0 });
        let (came, urgent) = (Notify::new(), Notify::new());
        Ok(Arc::new(Self { waiting, came, urgent, progress: watch::Sender::default() }))
    }

    /// Writes an end to the journal. Gives it back when there is no room, to be committed at once.
    pub(crate) fn add(&self, exec: &ExecRecord) -> Result<Option<End>, StoreError> {
        let end = End::new(exec)?;
        {
            let mut waiting = self.waiting.lock();
            if waiting.journal.bytes() >= JOURNAL_BYTES_MAX || waiting.journal.append(&end).is_err() {
                return Ok(Some(end));
            }
            waiting.tickets += 1;
            let ticket = waiting.tickets;
            waiting.ends.insert(ticket, end);
        }
        self.came.notify_one();
        Ok(None)
    }

    /// Waits until every end that concerns a reader is in the tables, or cannot be put there for now: with a full disk a
    /// reader sees what the tables hold.
    pub(crate) async fn settle(&self, concerns: impl Fn(&End) -> bool) {
        let last = {
            let waiting = self.waiting.lock();
            let last = waiting.ends.iter().rev().find(|(_, end)| concerns(end));
            last.map(|(ticket, _)| *ticket)
        };
        if let Some(last) = last {
            let mut progress = self.progress.subscribe();
            let failures = progress.borrow().failures;
            self.urgent.notify_one();
            let over = progress.wait_for(|p| p.settled >= last || p.failures > failures);
            // It fails only when this is dropped.
            let _gone = over.await.is_err();
        }
    }

    /// Settles everything, and leaves no journal behind.
    pub(crate) async fn close(&self) -> io::Result<()> {
        self.settle(|_| true).await;
        self.waiting.lock().journal.remove_empty()
    }

    /// Brings ends to the tables, for ever; cancelled by whoever has settled everything.
    pub(crate) async fn run(self: Arc<Self>, writer: WriterHandle) {
        loop {
            if self.waiting.lock().ends.is_empty() {
                self.came.notified().await;
            }
            tokio::select! {
                // Both only wait; an urgency that is dropped with its arm was about what is written now.
                () = tokio::time::sleep(LINGER) => {}
                () = self.urgent.notified() => {}
            }
            if let Err(error) = self.write_some(&writer).await {
                tracing::error!(%error, "ends of execs wait in the journal; they are tried again");
                self.progress.send_modify(|p| p.failures += 1);
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn write_some(&self, writer: &WriterHandle) -> Result<(), StoreError> {
        loop {
            let (last, statement) = {
                let waiting = self.waiting.lock();
                let some = waiting.ends.iter().take(BATCH_ENDS_MAX);
                let Some((last, _)) = some.clone().next_back() else { return Ok(()) };
                (*last, exec_writes::finish_statement(some.map(|(_, end)| end)))
            };
            write(writer, statement).await?;
            let mut waiting = self.waiting.lock();
            waiting.ends = waiting.ends.split_off(&(last + 1));
            if waiting.ends.is_empty()
                && let Err(error) = waiting.journal.clear()
            {
                // It is read again at the next start, and changes nothing then.
                tracing::warn!(%error, "the store's journal could not be emptied");
            }
            drop(waiting);
            self.progress.send_modify(|p| p.settled = last);
        }
    }
}

/// Why the journal could not be taken up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenEndsError {
    /// The file.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes ends in one transaction. Of those whose sandbox was deleted meanwhile nothing comes back.
pub(crate) async fn write(writer: &WriterHandle, finish: Statement) -> Result<(), StoreError> {
    let act = writer.write(Durability::Process, Steps::One, move |db| {
        Box::pin(async move { exec_writes::finish(db, finish).await })
    });
    act.await
}
