//! What the logs of one sandbox may take together.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use atoll_types::{ExecId, SandboxId};
use parking_lot::Mutex;

use crate::layout::{Layout, SegmentHeader};
use crate::segment::Segment;

/// Part of the quota by which the logs must grow before eviction is tried again: one over this many.
const RETRY_PARTS: u64 = 16;

#[derive(Debug, Default)]
struct State {
    /// Bytes of all files; unknown until they are counted once.
    bytes: Option<u64>,
    /// Execs that a writer is open for; they end when it is dropped.
    live: HashSet<ExecId>,
    /// Total beyond which eviction is tried again.
    retry_at: u64,
    /// The sandbox is gone: its writers write nothing any more.
    removed: bool,
}

/// Use of one sandbox. Shared by its writers.
#[derive(Debug)]
pub(crate) struct Usage {
    root: PathBuf,
    sandbox: SandboxId,
    bytes_max: u64,
    state: Mutex<State>,
}

/// Bytes of all files of a folder that may be missing.
fn count(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for file in files(dir)? {
        bytes += file.bytes;
    }
    Ok(bytes)
}

struct LogFile {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

fn files(dir: &Path) -> io::Result<Vec<LogFile>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        // One that was removed meanwhile counts for nothing.
        let Ok(metadata) = entry.metadata() else { continue };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        files.push(LogFile { path: entry.path(), bytes: metadata.len(), modified });
    }
    Ok(files)
}

impl Usage {
    fn dir(&self) -> PathBuf {
        self.root.join(self.sandbox.as_str())
    }

    /// A writer of this exec is open.
    pub(crate) fn open(&self, exec: &ExecId) {
        self.state.lock().live.insert(exec.clone());
    }

    /// It is open no longer.
    pub(crate) fn close(&self, exec: &ExecId) {
        self.state.lock().live.remove(exec);
    }

    /// Whether the sandbox is gone.
    pub(crate) fn removed(&self) -> bool {
        self.state.lock().removed
    }

    /// Notes what was dropped.
    pub(crate) fn subtract(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.map(|all| all.saturating_sub(bytes));
    }

    /// Notes what was written.
    pub(crate) fn add(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.bytes = Some(match state.bytes {
            Some(all) => all + bytes,
            // The files have it already.
            None => count(&self.dir())?,
        });
        Ok(())
    }

    /// Whether the quota is used up.
    pub(crate) fn over(&self) -> bool {
        self.state.lock().bytes.is_some_and(|bytes| bytes > self.bytes_max)
    }

    /// Whether eviction is worth trying.
    pub(crate) fn should_evict(&self) -> bool {
        let state = self.state.lock();
        state.bytes.is_some_and(|bytes| bytes > self.bytes_max.max(state.retry_at))
    }

    /// Drops the output of ended execs, the one written last before being the last to go, until there is room. What
    /// remains of each is a header that says so.
    pub(crate) fn evict(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        let mut ended = files(&self.dir())?;
        let mut bytes: u64 = ended.iter().map(|file| file.bytes).sum();
        ended.retain(|file| file.bytes > crate::layout::HEADER_BYTES);
        ended.retain(|file| Layout::exec_of(&file.path).is_some_and(|exec| !state.live.contains(&exec)));
        ended.sort_by_key(|file| file.modified);
        let mut dropped = HashSet::new();
        let room = self.bytes_max - self.bytes_max / RETRY_PARTS;
        for file in ended {
            if bytes <= room {
                break;
            }
            let Some(exec) = Layout::exec_of(&file.path).filter(|exec| dropped.insert(exec.clone())) else {
                continue;
            };
            bytes = bytes.saturating_sub(drop_output(&Layout::new(&self.root, &self.sandbox, &exec))?);
        }
        state.bytes = Some(bytes);
        state.retry_at = bytes + self.bytes_max / RETRY_PARTS;
        Ok(())
    }
}

/// Drops all output of an exec that ended, and leaves a header that names its last event; answers with the bytes freed.
fn drop_output(layout: &Layout) -> io::Result<u64> {
    let before = [&layout.oldest, &layout.older, &layout.current]
        .map(|path| std::fs::metadata(path).map(|m| m.len()).unwrap_or(0));
    let Some(mut latest) = Segment::open_held(layout)?.pop() else { return Ok(0) };
    let last_seq = latest.skip_to(u64::MAX)?.unwrap_or(latest.header.last_seq);
    layout.prepare(SegmentHeader { index: latest.header.index + 1, last_seq })?;
    layout.publish()?;
    layout.remove_before()?;
    Ok(before.iter().sum::<u64>().saturating_sub(crate::layout::HEADER_BYTES))
}

/// Uses of all sandboxes.
#[derive(Debug, Default)]
pub(crate) struct Usages(Mutex<HashMap<SandboxId, Arc<Usage>>>);

impl Usages {
    /// The use of one sandbox.
    pub(crate) fn of(&self, root: &Path, sandbox: &SandboxId, bytes_max: u64) -> Arc<Usage> {
        let new = || Usage {
            root: root.to_owned(),
            sandbox: sandbox.clone(),
            bytes_max,
            state: Mutex::new(State::default()),
        };
        Arc::clone(self.0.lock().entry(sandbox.clone()).or_insert_with(|| Arc::new(new())))
    }

    /// The sandbox is gone.
    pub(crate) fn remove(&self, sandbox: &SandboxId) {
        if let Some(usage) = self.0.lock().remove(sandbox) {
            usage.state.lock().removed = true;
        }
    }

    /// Notes what was removed, where anybody counts.
    pub(crate) fn subtract(&self, sandbox: &SandboxId, bytes: u64) {
        if let Some(usage) = self.0.lock().get(sandbox) {
            usage.subtract(bytes);
        }
    }
}
