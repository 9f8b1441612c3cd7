//! Brings what is written to the disk, without a transaction: whoever waits for something else at the same time need not
//! wait for a commit that waits for the disk.
//!
//! What is committed is in the write-ahead log until a checkpoint has it, which synchronises both files itself. So it is on
//! the disk once the log is. One synchronisation serves all who asked before it began.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// The log of a database.
#[derive(Debug)]
pub(crate) struct Flush {
    log: PathBuf,
    /// Calls so far.
    asked: AtomicU64,
    /// Calls that the last synchronisation served; held while one is under way.
    served: Mutex<u64>,
}

impl Flush {
    /// Of the database at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Self { log: log.into(), asked: AtomicU64::new(0), served: Mutex::new(0) }
    }

    /// Once it returns, what was committed before it was called is on the disk.
    pub(crate) async fn flush(&self) -> io::Result<()> {
        let ticket = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut served = self.served.lock().await;
        if *served >= ticket {
            return Ok(());
        }
        let all = self.asked.load(Ordering::Relaxed);
        let log = self.log.clone();
        let done = tokio::task::spawn_blocking(move || match std::fs::File::open(log) {
            Ok(file) => file.sync_data(),
            // Nothing was written since the last checkpoint.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        });
        done.await.map_err(io::Error::other)??;
        *served = all;
        Ok(())
    }
}
