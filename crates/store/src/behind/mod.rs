//! What is written behind: an item is acknowledged when it is in a journal, a plain file beside the database, and goes to the
//! tables a moment later, many in one transaction.
//!
//! ```text
//!  add ──► journal (write(2)) ──► acknowledged          open: what the journal holds ──► tables
//!             └─► waiting ──(200 ms, or somebody reads)──► writer ──► tables; the journal is emptied
//! ```
//! Why: a commit costs two hops to the thread of SQLite's connection, 0.1 ms where processors sleep, and that is a tenth of
//! what the shortest exec takes; the journal costs 5 µs. Whoever reads waits for those that the answer may show.

mod journal;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atoll_ports::StoreError;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::writer::WriterHandle;
use journal::Journal;

/// Time that items wait for others: what a transaction costs beside its rows is paid once for many short execs, and nobody who
/// reads waits for it.
const LINGER: Duration = Duration::from_millis(200);
/// Items of one transaction: bounds how long others wait for it, about 10 ms.
const BATCH_ITEMS_MAX: usize = 256;
/// Size of the journal, in bytes, from which on items are committed one by one, until it is empty: a few thousand of them.
const JOURNAL_BYTES_MAX: u64 = 4 << 20;
/// Pause after a transaction that failed: the disk may be full.
const RETRY: Duration = Duration::from_secs(1);

/// Something that is written behind.
#[async_trait]
pub(crate) trait Item: Clone + std::fmt::Debug + Send + Sync + Sized + 'static {
    /// What items are, for the log.
    const WHAT: &'static str;

    /// The item in JSON, in one line.
    fn line(&self) -> &str;
    /// The item of a line.
    fn parse(line: &[u8]) -> Option<Self>;
    /// Writes items to the tables in one transaction. `perhaps_again`: a journal may hold what an earlier process has written
    /// to the tables already.
    async fn write(writer: &WriterHandle, items: Vec<Self>, perhaps_again: bool) -> Result<(), StoreError>;
}

/// What was acknowledged and is not in the tables.
#[derive(Debug)]
struct Waiting<T> {
    journal: Journal,
    /// By ticket, in the order in which they came.
    items: BTreeMap<u64, T>,
    tickets: u64,
}

/// The items that wait, and the task that brings them to the tables.
#[derive(Debug)]
pub(crate) struct Behind<T> {
    waiting: Mutex<Waiting<T>>,
    /// There is something to do.
    came: Notify,
    /// Somebody waits for it.
    urgent: Notify,
    progress: watch::Sender<Progress>,
}

/// How far the task has come.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Every item up to this ticket is in the tables.
    settled: u64,
    /// Transactions that failed so far.
    failures: u64,
}

impl<T: Item> Behind<T> {
    /// Opens the journal at `path` and brings what an earlier process left in it to the tables.
    pub(crate) async fn open(path: &Path, writer: &WriterHandle) -> Result<Arc<Self>, OpenBehindError> {
        let (mut journal, held) = Journal::open(path, T::parse)?;
        for batch in held.chunks(BATCH_ITEMS_MAX) {
            T::write(writer, batch.to_vec(), true).await?;
        }
        journal.clear()?;
        let waiting = Mutex::new(Waiting { journal, items: BTreeMap::new(), tickets: 0 });
        let (came, urgent) = (Notify::new(), Notify::new());
        Ok(Arc::new(Self { waiting, came, urgent, progress: watch::Sender::default() }))
    }

    /// Writes items to the journal. Gives them back when there is no room, to be committed at once.
    pub(crate) fn add(&self, items: Vec<T>) -> Vec<T> {
        {
            let mut waiting = self.waiting.lock();
            let full = waiting.journal.bytes() >= JOURNAL_BYTES_MAX;
            if full || waiting.journal.append(items.iter().map(Item::line)).is_err() {
                return items;
            }
            for item in items {
                waiting.tickets += 1;
                let ticket = waiting.tickets;
                waiting.items.insert(ticket, item);
            }
        }
        self.came.notify_one();
        Vec::new()
    }

    /// Waits until every item that concerns a reader is in the tables, or cannot be put there for now: with a full disk a
    /// reader sees what the tables hold.
    pub(crate) async fn settle(&self, concerns: impl Fn(&T) -> bool) {
        let last = {
            let waiting = self.waiting.lock();
            let last = waiting.items.iter().rev().find(|(_, item)| concerns(item));
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

    /// Brings items to the tables, for ever; cancelled by whoever has settled everything.
    pub(crate) async fn run(self: Arc<Self>, writer: WriterHandle) {
        // A transaction whose answer failed may have been made.
        let mut perhaps_again = false;
        loop {
            if self.waiting.lock().items.is_empty() {
                self.came.notified().await;
            }
            tokio::select! {
                // Both only wait; an urgency that is dropped with its arm was about what is written now.
                () = tokio::time::sleep(LINGER) => {}
                () = self.urgent.notified() => {}
            }
            let written = self.write_some(&writer, perhaps_again).await;
            perhaps_again = written.is_err();
            if let Err(error) = written {
                tracing::error!(%error, "{} wait in the journal; they are tried again", T::WHAT);
                self.progress.send_modify(|p| p.failures += 1);
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn write_some(&self, writer: &WriterHandle, perhaps_again: bool) -> Result<(), StoreError> {
        loop {
            let (last, items) = {
                let waiting = self.waiting.lock();
                let some = waiting.items.iter().take(BATCH_ITEMS_MAX);
                let Some((last, _)) = some.clone().next_back() else { return Ok(()) };
                (*last, some.map(|(_, item)| item.clone()).collect::<Vec<T>>())
            };
            T::write(writer, items, perhaps_again).await?;
            let mut waiting = self.waiting.lock();
            waiting.items = waiting.items.split_off(&(last + 1));
            if waiting.items.is_empty()
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
pub(crate) enum OpenBehindError {
    /// The file.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
}
