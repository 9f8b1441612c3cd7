//! Execs that run, or whose end is not written down yet.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use atoll_ports::{AuditScope, ExecRecord};
use atoll_types::{BootTime, ErrorCode, ExecId, ExecKind, SandboxId};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::capture::{Capture, Captured};

/// How far an exec has come. It only ever grows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Its record is in the store.
    pub(crate) recorded: bool,
    /// Its agent has it.
    pub(crate) started: bool,
    /// Last event that is on disk.
    pub(crate) last_seq: u64,
    /// How it ended; written down already.
    pub(crate) end: Option<Arc<End>>,
    /// Nobody follows it any more, since serve stops; the next one goes on.
    pub(crate) cut: bool,
}

/// The end of an exec.
#[derive(Debug)]
pub(crate) struct End {
    /// With its outcome.
    pub(crate) record: ExecRecord,
    /// Why it could not be started, if that is how it ended.
    pub(crate) refused: Option<(ErrorCode, String)>,
}

#[derive(Debug)]
pub(crate) struct LiveExec {
    pub(crate) record: ExecRecord,
    pub(crate) since: BootTime,
    /// Cancelled when its sandbox went down: the drain stops and calls it lost, for the reason in `lost_because`.
    pub(crate) lost: CancellationToken,
    lost_because: Mutex<Option<String>>,
    progress: watch::Sender<Progress>,
    capture: Mutex<Option<Capture>>,
    /// The request that it belongs to, until it is started.
    asked: Mutex<Option<AuditScope>>,
    /// It may have been started before, and logged: by a serve that died.
    begun_before: bool,
}

impl LiveExec {
    pub(crate) fn new(record: ExecRecord, since: BootTime, capture: bool) -> Self {
        Self {
            record,
            since,
            lost: CancellationToken::new(),
            lost_because: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
            capture: Mutex::new(capture.then(Capture::default)),
            asked: Mutex::new(AuditScope::current()),
            begun_before: false,
        }
    }

    /// One that may have been started before under this id, by a serve that died.
    pub(crate) fn perhaps_begun(self) -> Self {
        Self { begun_before: true, ..self }
    }

    /// The request that asked for it, once.
    pub(crate) fn take_asked(&self) -> Option<AuditScope> {
        self.asked.lock().take()
    }

    /// Whether its log may hold a part of what its agent has. So it may of a main process, which a start that is taken up
    /// again finds under the id that it had.
    pub(crate) fn may_be_logged(&self) -> bool {
        self.begun_before || self.record.kind == ExecKind::Main
    }

    pub(crate) fn id(&self) -> &ExecId {
        &self.record.id
    }

    pub(crate) fn sandbox(&self) -> &SandboxId {
        &self.record.sandbox
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    /// Whether a request waits for its end, and nobody was told of it before.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.capture.lock().is_some()
    }

    /// Adds output for the answer, where one is waited for.
    pub(crate) fn capture(&self, push: impl FnOnce(&mut Capture)) {
        if let Some(capture) = self.capture.lock().as_mut() {
            push(capture);
        }
    }

    pub(crate) fn take_captured(&self) -> Captured {
        self.capture.lock().take().map(Capture::finish).unwrap_or_default()
    }

    /// Its sandbox went down.
    pub(crate) fn lose(&self, why: &str) {
        self.lost_because.lock().get_or_insert_with(|| why.to_owned());
        self.lost.cancel();
    }

    pub(crate) fn lost_because(&self) -> String {
        self.lost_because.lock().clone().unwrap_or_else(|| "its agent does not know it any more".to_owned())
    }

    /// Waits until its record is in the store and its agent has it, so that it outlives this serve; false when serve stops
    /// before. Cancel safe.
    pub(crate) async fn kept(&self) -> bool {
        let mut progress = self.progress();
        let kept = |p: &Progress| p.recorded && p.started || p.end.is_some();
        progress.wait_for(|p| kept(p) || p.cut).await.is_ok_and(|p| kept(&p))
    }

    /// Waits for its end; `None` when serve stops before. Cancel safe.
    pub(crate) async fn ended(&self) -> Option<Arc<End>> {
        let mut progress = self.progress();
        progress.wait_for(|p| p.end.is_some() || p.cut).await.ok().and_then(|p| p.end.clone())
    }

    /// Its end, if it has come.
    pub(crate) fn end(&self) -> Option<Arc<End>> {
        self.progress.borrow().end.clone()
    }
}

/// The place of an exec among the live ones, held by its drain: however the drain ends, the exec leaves, and whoever
/// waits for it is told.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    execs: &'a LiveExecs,
    live: &'a LiveExec,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.execs.remove(self.live.id());
        self.live.progress.send_if_modified(|p| {
            let cut = p.end.is_none();
            p.cut |= cut;
            cut
        });
    }
}

/// All live execs.
#[derive(Debug, Default)]
pub(crate) struct LiveExecs {
    by_id: Mutex<HashMap<ExecId, Arc<LiveExec>>>,
}

impl LiveExecs {
    /// Adds an exec; false when it is followed already.
    pub(crate) fn insert(&self, exec: &Arc<LiveExec>) -> bool {
        match self.by_id.lock().entry(exec.id().clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(Arc::clone(exec));
                true
            }
        }
    }

    pub(crate) fn place<'a>(&'a self, live: &'a LiveExec) -> Place<'a> {
        Place { execs: self, live }
    }

    pub(crate) fn get(&self, sandbox: &SandboxId, id: &ExecId) -> Option<Arc<LiveExec>> {
        self.by_id.lock().get(id).filter(|e| e.sandbox() == sandbox).cloned()
    }

    pub(crate) fn contains(&self, id: &ExecId) -> bool {
        self.by_id.lock().contains_key(id)
    }

    pub(crate) fn remove(&self, id: &ExecId) {
        self.by_id.lock().remove(id);
    }

    pub(crate) fn of(&self, sandbox: &SandboxId) -> Vec<Arc<LiveExec>> {
        self.by_id.lock().values().filter(|e| e.sandbox() == sandbox).cloned().collect()
    }

    /// Main processes of a sandbox: one, or none.
    pub(crate) fn mains(&self, sandbox: &SandboxId) -> Vec<Arc<LiveExec>> {
        self.of(sandbox).into_iter().filter(|e| e.record.kind == ExecKind::Main).collect()
    }

    /// Whether anything but the main process runs.
    pub(crate) fn busy(&self, sandbox: &SandboxId) -> bool {
        self.by_id.lock().values().any(|e| e.sandbox() == sandbox && e.record.kind == ExecKind::Exec)
    }
}
