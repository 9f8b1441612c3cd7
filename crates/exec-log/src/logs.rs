//! All logs of a node.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{ExecLogError, ExecLogReader, ExecLogWriter, ExecLogs};
use atoll_types::{ExecId, ExecKind, SandboxId};

use crate::flush::{self, Flush, Note};
use crate::layout::{Kept, Layout};
use crate::quota::Usages;
use crate::reader::Reader;
use crate::writer::Writer;

/// Bytes of one segment: two of them are the bound of an exec's log, 64 MiB.
const SEGMENT_BYTES: u64 = 32 << 20;
/// Bytes of the log of a main process, 10 MiB: what a sandbox's log is promised to take.
const MAIN_BYTES: u64 = 10 << 20;
/// Segments of it: when one begins, two thirds are held.
const MAIN_SEGMENTS: u64 = 3;
/// Bytes of all logs of one sandbox: eight that are full.
const SANDBOX_BYTES: u64 = 512 << 20;
/// Part of a segment that a writer may fill while its sandbox is beyond the quota: one over this many.
const TIGHT_PARTS: u64 = 32;

/// Bounds; the defaults are what is promised, others are for tests.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of one of the two segments of an exec's log.
    pub segment_bytes: u64,
    /// Bytes of the log of a main process, in three segments.
    pub main_bytes: u64,
    /// Bytes of all logs of one sandbox. Beyond it the output of ended execs goes, oldest first; then each writer keeps
    /// little more than its latest output.
    pub sandbox_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, main_bytes: MAIN_BYTES, sandbox_bytes: SANDBOX_BYTES }
    }
}

impl Options {
    fn bounds(&self, kind: ExecKind) -> Bounds {
        match kind {
            ExecKind::Exec => Bounds { segment_bytes: self.segment_bytes, kept: Kept::Two },
            ExecKind::Main => Bounds { segment_bytes: self.main_bytes / MAIN_SEGMENTS, kept: Kept::Three },
        }
    }
}

/// Bounds of one log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of a segment.
    pub(crate) segment_bytes: u64,
    /// How many are kept.
    pub(crate) kept: Kept,
}

impl Bounds {
    /// Bytes of a segment while the sandbox is beyond its quota.
    pub(crate) fn tight_bytes(self) -> u64 {
        self.segment_bytes / TIGHT_PARTS
    }
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    options: Options,
    usages: Usages,
    flush: Arc<Flush>,
}

/// Logs in a folder of their own.
#[derive(Debug, Clone)]
pub struct DirExecLogs(Arc<Inner>);

/// The port's error.
pub(crate) fn failed(action: &'static str) -> impl FnOnce(io::Error) -> ExecLogError {
    move |source| ExecLogError { action, source }
}

async fn blocking<T: Send + 'static>(
    action: &'static str,
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ExecLogError> {
    let result = tokio::task::spawn_blocking(act).await.map_err(io::Error::other);
    result.and_then(|result| result).map_err(failed(action))
}

fn list(root: &Path) -> io::Result<Vec<SandboxId>> {
    let entries = match std::fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result?,
    };
    let mut sandboxes = Vec::new();
    for entry in entries {
        // What is named otherwise is not ours.
        sandboxes.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()));
    }
    sandboxes.sort();
    Ok(sandboxes)
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

impl DirExecLogs {
    /// Logs in this folder, which is made with the first one.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self::with_options(dir, Options::default())
    }

    /// The same with other bounds.
    #[must_use]
    pub fn with_options(dir: PathBuf, options: Options) -> Self {
        Self(Arc::new(Inner { root: dir, options, usages: Usages::default(), flush: Arc::default() }))
    }

    /// Brings what is written to the disk within about a second, until `stop` resolves, and then once more. While nothing
    /// is written it only waits. Without it logs are as safe against a loss of power as the kernel makes them: the last
    /// half minute may be gone.
    pub async fn keep_synced(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut stopped = false;
        let mut rest = flush::DELAY;
        while !stopped {
            stopped = tokio::select! {
                // Both only wait; a wake-up that is dropped is made good by the last pass.
                () = self.0.flush.wanted() => false,
                () = &mut stop => true,
            };
            stopped = stopped
                || tokio::select! {
                    // As above.
                    () = tokio::time::sleep(rest) => false,
                    () = &mut stop => true,
                };
            let began = tokio::time::Instant::now();
            if let Err(error) = self.sync().await {
                tracing::error!("output of execs could not be brought to the disk: {}", error.source);
            }
            let took = began.elapsed();
            rest = (took * flush::REST_PER_PASS).clamp(flush::DELAY, flush::DELAY_MAX);
        }
    }

    /// Brings to the disk what was written before this call.
    ///
    /// # Errors
    /// When the disk fails for any of it: a loss of power may take that then.
    pub async fn sync(&self) -> Result<(), ExecLogError> {
        self.0.flush.pass(&self.0.root).await.map_err(failed("brought to the disk"))
    }

    fn layout(&self, sandbox: &SandboxId, exec: &ExecId) -> Layout {
        Layout::new(&self.0.root, sandbox, exec)
    }
}

#[async_trait]
impl ExecLogs for DirExecLogs {
    async fn writer(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        kind: ExecKind,
    ) -> Result<Box<dyn ExecLogWriter>, ExecLogError> {
        let Inner { root, options, usages, flush } = &*self.0;
        let usage = usages.of(root, sandbox, options.sandbox_bytes);
        let (layout, exec, bounds) = (self.layout(sandbox, exec), exec.clone(), options.bounds(kind));
        let note = Note::new(flush, layout.clone());
        let new = !layout.current.exists() && layout.before().iter().all(|path| !path.exists());
        // Finding the end of a log reads all of it; where there is none, as for nearly every exec, three looks suffice.
        let writer = if new {
            Writer::open(layout, exec, bounds, usage, note).map_err(failed("read"))?
        } else {
            blocking("read", move || Writer::open(layout, exec, bounds, usage, note)).await?
        };
        Ok(Box::new(writer))
    }

    async fn reader(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        after_seq: u64,
    ) -> Result<Box<dyn ExecLogReader>, ExecLogError> {
        Ok(Box::new(Reader::new(self.layout(sandbox, exec), after_seq)))
    }

    async fn remove(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<(), ExecLogError> {
        let layout = self.layout(sandbox, exec);
        let bytes = blocking("removed", move || layout.remove()).await?;
        self.0.usages.subtract(sandbox, bytes);
        Ok(())
    }

    async fn remove_sandbox(&self, sandbox: &SandboxId) -> Result<(), ExecLogError> {
        self.0.usages.remove(sandbox);
        let folder = self.0.root.join(sandbox.as_str());
        blocking("removed", move || remove_folder(&folder)).await
    }

    async fn sandboxes(&self) -> Result<Vec<SandboxId>, ExecLogError> {
        let root = self.0.root.clone();
        blocking("read", move || list(&root)).await
    }
}
