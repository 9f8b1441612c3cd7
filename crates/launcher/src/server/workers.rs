//! Helper processes: copies of the launcher that do one slow thing and end. They take no requests.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use atoll_launcher_protocol::Answer;
use atoll_types::{ImageDigest, SandboxId};
use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};

use super::connection::Waiter;
use super::export::Export;
use super::import::Import;
use super::table::{Entry, Phase, Stage};
use super::{Server, Source};
use crate::clock::now;
use crate::report::{At, Step, StepError, log};
use crate::storage;
use crate::sys::{self, Cloned};

/// Rest between two collections: each is a process that looks through all groups, which would slow creates down on a full
/// host that makes and deletes all the time.
const COLLECT_INTERVAL: Duration = Duration::from_millis(250);

/// Helpers at work, and what waits for one.
#[derive(Debug, Default)]
pub(super) struct Workers {
    running: HashMap<u64, Worker>,
    /// Something was discarded since the last collection began.
    pub(super) collect_wanted: bool,
    collect_not_before: Duration,
    /// Sandboxes to be put on disk by the next closer: one commit of the file system serves them all.
    to_close: Vec<(SandboxId, OwnedFd)>,
    /// Images to be put on disk, with who waits and for what answer.
    pub(super) to_sync: Vec<(Waiter, Answer)>,
}

/// One helper.
#[derive(Debug)]
struct Worker {
    pidfd: OwnedFd,
    task: Task,
}

/// What a helper does.
#[derive(Debug)]
pub(super) enum Task {
    /// Removes what was discarded.
    Collect,
    /// Puts the files of these on disk.
    Close { sandboxes: Vec<SandboxId>, images: Vec<(Waiter, Answer)> },
    /// Unpacks an archive.
    Import(Import),
    /// Packs an image.
    Export(Export),
    /// Makes networks ahead of use.
    Prepare,
}

impl Task {
    /// When it is given up, where it may be.
    fn until(&self) -> Option<Duration> {
        match self {
            Self::Import(import) => Some(import.until),
            Self::Export(export) => Some(export.until),
            Self::Collect | Self::Close { .. } | Self::Prepare => None,
        }
    }
}

impl Workers {
    pub(super) fn waiting(&self) -> usize {
        let syncing = self.running.values().map(|worker| match &worker.task {
            Task::Collect | Task::Prepare => 0,
            Task::Close { images, .. } => images.len(),
            Task::Import(_) | Task::Export(_) => 1,
        });
        self.to_sync.len() + syncing.sum::<usize>()
    }

    /// When a helper must be started or stopped.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Duration> {
        let imports = self.running.values().filter_map(|worker| worker.task.until());
        let collect = self.collect_wanted && !self.has(|task| matches!(task, Task::Collect));
        imports.chain(collect.then_some(self.collect_not_before))
    }

    /// Imports and exports under way.
    pub(super) fn unpackers(&self) -> usize {
        self.running.values().filter(|worker| worker.task.until().is_some()).count()
    }

    /// Layers that images which are being made have by now.
    pub(super) fn imported_layers(&self) -> impl Iterator<Item = &ImageDigest> {
        self.running.values().flat_map(|worker| match &worker.task {
            Task::Import(import) => import.layers(),
            _ => &[],
        })
    }

    /// Whether an image is being packed.
    pub(super) fn exports(&self, image: &ImageDigest) -> bool {
        self.has(|task| matches!(task, Task::Export(export) if export.digest == *image))
    }

    /// The helpers at work.
    pub(super) fn processes(&self) -> impl Iterator<Item = &OwnedFd> {
        self.running.values().map(|worker| &worker.pidfd)
    }

    fn has(&self, is: impl Fn(&Task) -> bool) -> bool {
        self.running.values().any(|worker| is(&worker.task))
    }
}

impl Server {
    /// Puts the files of a stopped sandbox on disk; its end goes on afterwards.
    pub(super) fn close_later(&mut self, sandbox: SandboxId, folder: OwnedFd) {
        self.workers.to_close.push((sandbox, folder));
    }

    /// Starts the helpers whose time has come, and ends those who take too long.
    pub(super) fn workers_on_time(&mut self) {
        let time = now();
        for worker in self.workers.running.values() {
            if worker.task.until().is_some_and(|until| until <= time) {
                let _gone_is_fine = rustix::process::pidfd_send_signal(&worker.pidfd, Signal::KILL);
            }
        }
        let closing = self.workers.has(|task| matches!(task, Task::Close { .. }));
        let to_close = !self.workers.to_close.is_empty() || !self.workers.to_sync.is_empty();
        if to_close && !closing {
            self.start_closer();
        }
        let collecting = self.workers.has(|task| matches!(task, Task::Collect));
        if self.workers.collect_wanted && !collecting && time >= self.workers.collect_not_before {
            self.workers.collect_wanted = false;
            self.workers.collect_not_before = time + COLLECT_INTERVAL;
            self.start_worker(Task::Collect, |server| {
                let _politeness = rustix::process::nice(10);
                // Files first: their pages go with them, and a group that holds none need not be emptied.
                server.discard_stale_roots();
                server.tools.storage.collect();
                server.tools.cgroups.collect(true);
            });
        }
    }

    fn start_closer(&mut self) {
        let to_close = std::mem::take(&mut self.workers.to_close);
        let images = std::mem::take(&mut self.workers.to_sync);
        let sandboxes = to_close.iter().map(|(sandbox, _)| sandbox.clone()).collect();
        self.start_worker(Task::Close { sandboxes, images }, |server| {
            if let Err(errno) = rustix::fs::syncfs(&server.tools.storage.pool) {
                log(&format!("could not put files on disk: {errno}"));
                sys::exit_now(1);
            }
            for (sandbox, folder) in &to_close {
                if let Err(error) = storage::close_layer(folder) {
                    log(&format!("sandbox {sandbox}: {error}"));
                }
            }
        });
    }

    /// Runs something in a copy of this process.
    pub(super) fn start_worker(&mut self, task: Task, work: impl FnOnce(&Self)) {
        match sys::clone3(0) {
            Ok(Cloned::Child) => {
                // Copies of the connections would keep serve from seeing that the launcher died.
                self.connections.clear();
                let _ends_with_the_launcher =
                    rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
                work(self);
                sys::exit_now(0);
            }
            Ok(Cloned::Parent { pidfd, .. }) => {
                if let Err(error) = self.enlist_worker(pidfd, task) {
                    log(&error.to_string());
                }
            }
            Err(errno) => {
                log(&format!("could not start a helper: {errno}"));
                self.task_ended(task);
            }
        }
    }

    pub(super) fn enlist_worker(&mut self, pidfd: OwnedFd, task: Task) -> Result<(), StepError> {
        let token = self.watch(pidfd.as_fd(), Source::Worker)?;
        self.workers.running.insert(token, Worker { pidfd, task });
        Ok(())
    }

    pub(super) fn worker_ended(&mut self, token: u64) {
        let Some(worker) = self.workers.running.remove(&token) else { return };
        let waited = waitid(WaitId::PidFd(worker.pidfd.as_fd()), WaitIdOptions::EXITED).at(Step::Epoll);
        if let Err(error) = waited {
            log(&error.to_string());
        }
        self.unwatch(&worker.pidfd, token);
        self.task_ended(worker.task);
    }

    fn task_ended(&mut self, task: Task) {
        match task {
            Task::Collect => {
                if self.tools.cgroups.trash() > 0 {
                    self.workers.collect_wanted = true;
                    self.workers.collect_not_before = now() + COLLECT_INTERVAL;
                }
            }
            Task::Close { sandboxes, images } => {
                for (waiter, answer) in images {
                    self.answer(waiter, Ok(answer));
                }
                for sandbox in sandboxes {
                    let closing = matches!(
                        self.table.get(&sandbox),
                        Some(Entry { phase: Phase::Ending(ending), .. }) if ending.stage == Stage::Closing
                    );
                    if closing {
                        self.ended(&sandbox);
                    }
                }
            }
            Task::Import(import) => self.import_ended(import),
            Task::Export(export) => self.export_ended(&export),
            Task::Prepare => self.networks_prepared(),
        }
    }
}
