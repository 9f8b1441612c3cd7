//! Bringing logs to the disk, beside the writers.
//!
//! A writer notes its log once, with its first write after a pass; a pass takes all that were noted and syncs them on
//! threads that may wait for the disk. So nothing is done while nothing is written, and a write costs one look at a
//! flag.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::layout::Layout;

/// Time from a write to its pass, less the time that the disk takes: the promise is about a second.
pub(crate) const DELAY: Duration = Duration::from_millis(500);
/// Rest after a pass, as a multiple of what it took: execs wait where a pass makes the disk commit, so most of the time
/// there is none.
pub(crate) const REST_PER_PASS: u32 = 4;
/// Longest rest, for a disk that drowns.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(2);
/// Threads that wait for the disk at once: their journal commits become one, and more would be taken from those who
/// read.
const THREADS: usize = 4;
/// Logs that are synced one by one in a pass. When more were written since the last one, one call for the whole file
/// system costs less, and this many is all that is remembered.
const LOGS_MAX: usize = 1_024;

/// A log with writes that may not be on the disk.
#[derive(Debug)]
struct Noted {
    layout: Layout,
    noted: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Unsynced {
    logs: Vec<Noted>,
    /// More were written than are remembered.
    more: bool,
}

/// What is to be synced.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    unsynced: Mutex<Unsynced>,
    /// Something is noted that was not before.
    wake: Notify,
}

/// A writer's way to note its log.
#[derive(Debug)]
pub(crate) struct Note {
    flush: Arc<Flush>,
    layout: Layout,
    noted: Arc<AtomicBool>,
}

impl Note {
    pub(crate) fn new(flush: &Arc<Flush>, layout: Layout) -> Self {
        Self { flush: Arc::clone(flush), layout, noted: Arc::default() }
    }

    /// Something was written to the log.
    pub(crate) fn written(&self) {
        if self.noted.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut unsynced = self.flush.unsynced.lock();
        if unsynced.logs.len() < LOGS_MAX {
            let noted = Arc::clone(&self.noted);
            unsynced.logs.push(Noted { layout: self.layout.clone(), noted });
        } else {
            unsynced.more = true;
            // Nobody holds the flag, so the next write notes it again.
            self.noted.store(false, Ordering::Release);
        }
        drop(unsynced);
        self.flush.wake.notify_one();
    }
}

impl Flush {
    /// Waits until something is to be synced. Cancel safe.
    pub(crate) async fn wanted(&self) {
        self.wake.notified().await;
    }

    /// Syncs all that was written before this call. Each log is tried whatever became of the others; answers with the
    /// first failure.
    pub(crate) async fn pass(&self, root: &Path) -> io::Result<()> {
        let Unsynced { logs, more } = std::mem::take(&mut *self.unsynced.lock());
        // Before the syncs: what is written from here on is noted for the next pass.
        logs.iter().for_each(|log| log.noted.store(false, Ordering::Release));
        if more {
            let root = root.to_owned();
            return blocking(move || sync_file_system(&root)).await;
        }
        if logs.is_empty() {
            return Ok(());
        }
        let folders = folders(root, &logs);
        let files = in_parts(logs, |log| sync_log(&log.layout)).await;
        // After the files: a name on the disk is never that of a file without its content.
        let folders = in_parts(folders, |folder| sync(&folder, File::sync_all)).await;
        files.and(folders)
    }
}

/// The folders that hold the names of these logs, up to the one that holds them all.
fn folders(root: &Path, logs: &[Noted]) -> Vec<PathBuf> {
    let own = logs.iter().map(|log| log.layout.dir().to_owned());
    let above = [root.parent(), Some(root)].into_iter().flatten().map(Path::to_owned);
    own.chain(above).collect::<BTreeSet<_>>().into_iter().collect()
}

async fn blocking(act: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(act).await.map_err(io::Error::other)?
}

/// Does `act` for each on a few threads.
async fn in_parts<T: Send + 'static>(mut all: Vec<T>, act: fn(T) -> io::Result<()>) -> io::Result<()> {
    let part = all.len().div_ceil(THREADS).max(1);
    let mut threads = JoinSet::new();
    while !all.is_empty() {
        let some = all.split_off(all.len().saturating_sub(part));
        threads.spawn_blocking(move || some.into_iter().map(act).fold(Ok(()), io::Result::and));
    }
    let mut result = Ok(());
    while let Some(ended) = threads.join_next().await {
        let synced = ended.map_err(io::Error::other).flatten();
        result = result.and(synced);
    }
    result
}

/// Syncs all segments. The one that grows comes first: a rotation meanwhile makes it the older one, which is looked at
/// next.
fn sync_log(layout: &Layout) -> io::Result<()> {
    let newest_first = [&layout.current, &layout.older, &layout.oldest];
    newest_first.map(|path| sync(path, File::sync_data)).into_iter().fold(Ok(()), io::Result::and)
}

/// Syncs what is there; what was removed needs no disk.
fn sync(path: &Path, how: fn(&File) -> io::Result<()>) -> io::Result<()> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => how(&opened?),
    }
}

fn sync_file_system(root: &Path) -> io::Result<()> {
    match File::open(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => Ok(rustix::fs::syncfs(opened?)?),
    }
}

#[cfg(test)]
mod tests {
    use atoll_types::{ExecId, SandboxId};

    use super::*;

    fn note(flush: &Arc<Flush>, root: &Path) -> Note {
        Note::new(flush, Layout::new(root, &SandboxId::random(), &ExecId::random()))
    }

    fn noted(flush: &Flush) -> (usize, bool) {
        let unsynced = flush.unsynced.lock();
        (unsynced.logs.len(), unsynced.more)
    }

    #[tokio::test]
    async fn a_log_is_noted_once_a_pass() {
        let (dir, flush) = (tempfile::tempdir().unwrap(), Arc::new(Flush::default()));
        let (one, other) = (note(&flush, dir.path()), note(&flush, dir.path()));
        for _ in 0..3 {
            one.written();
            one.written();
            other.written();
            flush.wanted().await;
            assert_eq!(noted(&flush), (2, false));
            flush.pass(dir.path()).await.unwrap();
            assert_eq!(noted(&flush), (0, false));
        }
    }

    #[tokio::test]
    async fn more_logs_than_are_remembered_are_synced_as_one() {
        let (dir, flush) = (tempfile::tempdir().unwrap(), Arc::new(Flush::default()));
        let notes: Vec<Note> = (0..LOGS_MAX + 2).map(|_| note(&flush, dir.path())).collect();
        for _ in 0..2 {
            notes.iter().for_each(Note::written);
            assert_eq!(noted(&flush), (LOGS_MAX, true));
            flush.pass(dir.path()).await.unwrap();
            assert_eq!(noted(&flush), (0, false));
        }
    }

    /// A disk that fails is told, and does not keep the other logs from theirs.
    #[tokio::test]
    async fn a_failure_is_told() {
        let (dir, flush) = (tempfile::tempdir().unwrap(), Arc::new(Flush::default()));
        let bad = note(&flush, dir.path());
        std::fs::create_dir(bad.layout.dir()).unwrap();
        // A link to itself can be opened by nobody.
        std::os::unix::fs::symlink(&bad.layout.current, &bad.layout.current).unwrap();
        bad.written();
        note(&flush, dir.path()).written();
        flush.pass(dir.path()).await.unwrap_err();
        assert_eq!(noted(&flush), (0, false));
    }
}
