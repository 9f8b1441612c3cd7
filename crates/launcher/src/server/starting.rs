//! Starts.

use std::os::fd::AsFd;
use std::time::Duration;

use atoll_launcher_protocol::{Answer, Failure, FailureKind, FromLauncher, StartSandbox};
use atoll_types::{ImageSource, Network, SandboxId};
use rustix::io::Errno;

use super::connection::Waiter;
use super::requests::check;
use super::table::{Entry, Phase, Process, Starting};
use super::{Server, Source};
use crate::clock::now;
use crate::report::{StepError, failure, log};
use crate::sandbox;
use crate::sys;

/// How long a child may take to become the agent: three milliseconds do, unless the machine is drowning.
const START_TIME: Duration = Duration::from_secs(10);

/// Longest failure that a child reports, in bytes; a pipe takes it in one piece.
const REPORT_BYTES_MAX: usize = 4 << 10;

impl Server {
    /// Starts a sandbox, or joins whoever does it already.
    pub(super) fn start(&mut self, waiter: Waiter, request: Box<StartSandbox>) {
        match self.table.get_mut(&request.sandbox).map(|entry| &mut entry.phase) {
            Some(Phase::Running | Phase::Pausing(_)) => {
                self.answer(waiter, Ok(Answer::Started { dirty: false }))
            }
            Some(Phase::Starting(starting)) => starting.waiters.push(waiter),
            Some(Phase::Ending(ending)) if ending.remove => {
                self.answer(waiter, Err(failure(FailureKind::Conflict, "the sandbox is being removed")));
            }
            Some(Phase::Ending(ending)) => match &mut ending.then_start {
                Some((waiters, _)) => waiters.push(waiter),
                none => *none = Some((vec![waiter], request)),
            },
            None => self.start_new(vec![waiter], &request),
        }
    }

    pub(super) fn start_new(&mut self, waiters: Vec<Waiter>, request: &StartSandbox) {
        if let Err(refusal) = self.accepts(request) {
            return self.answer_all(&waiters, &Err(refusal));
        }
        let network = match request.network {
            Network::None => self.take_alone(),
            Network::All => match self.take_network(request.limits.bandwidth_mbit) {
                Ok(network) => Some(network),
                Err(error) => return self.answer_all(&waiters, &Err(error.into())),
            },
        };
        let born = sandbox::start(&self.tools, &mut self.namespaces, request, network.as_ref());
        if let Err(error) = born.and_then(|birth| self.enlist(waiters.clone(), request, birth)) {
            self.start_failed(&request.sandbox, waiters, error.into());
        }
    }

    /// Whether a start can be tried at all; nothing is made before.
    fn accepts(&self, request: &StartSandbox) -> Result<(), Failure> {
        check(request)?;
        let other = self
            .table
            .iter()
            .find(|(id, entry)| **id != request.sandbox && entry.uid_slot == Some(request.uid_slot));
        if let Some((other, _)) = other {
            let message = format!("the uid slot {} is in use by sandbox {other}", request.uid_slot);
            return Err(failure(FailureKind::Conflict, message));
        }
        if let ImageSource::Unpacked(digest) = &request.image
            && !self.tools.storage.has_image(digest)
        {
            return Err(failure(FailureKind::NotFound, format!("there is no image {digest}")));
        }
        // One that has its files already may start: its owner may want to make room in it.
        if self.tools.storage.open_folder(&request.sandbox)?.is_none() && self.tools.storage.room()?.full {
            return Err(failure(FailureKind::DiskFull, "the reserve of the storage is touched"));
        }
        Ok(())
    }

    fn enlist(
        &mut self,
        waiters: Vec<Waiter>,
        request: &StartSandbox,
        birth: sandbox::Birth,
    ) -> Result<(), StepError> {
        let sandbox::Birth { pidfd, report, dirty } = birth;
        let pidfd = sys::raise(pidfd);
        let process = self.watch(pidfd.as_fd(), Source::Process(request.sandbox.clone()))?;
        let token = self.watch(report.as_fd(), Source::Report(request.sandbox.clone()))?;
        let disk_bytes = request.limits.disk_bytes;
        let starting = Starting { report, token, waiters, dirty, disk_bytes, until: now() + START_TIME };
        let entry = Entry {
            uid_slot: Some(request.uid_slot),
            image: Some(request.image.clone()),
            process: Some(Process { pidfd, token: process }),
            phase: Phase::Starting(starting),
        };
        self.table.insert(request.sandbox.clone(), entry);
        Ok(())
    }

    /// The child has become the agent, or says why not.
    pub(super) fn report_ready(&mut self, sandbox: &SandboxId) {
        let Some(Phase::Starting(starting)) = self.table.get(sandbox).map(|entry| &entry.phase) else {
            return;
        };
        let mut text = [0_u8; REPORT_BYTES_MAX];
        let read = match rustix::io::read(&starting.report, &mut text) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => 0,
            Ok(read) => read,
        };
        let Some(starting) = self.take_starting(sandbox) else { return };
        let reported = (read > 0).then(|| {
            let unreadable = |_| failure(FailureKind::System, "the first process failed");
            serde_json::from_slice::<Failure>(&text[..read]).unwrap_or_else(unreadable)
        });
        // A child that was killed closes its report too.
        let dead = self.is_dead(sandbox).then(|| failure(FailureKind::System, "the first process died"));
        match reported.or(dead) {
            None => {
                self.answer_all(&starting.waiters, &Ok(Answer::Started { dirty: starting.dirty }));
                if let Err(error) = self.tools.storage.limit_layer(sandbox, starting.disk_bytes) {
                    log(&format!("sandbox {sandbox}: {error}"));
                }
            }
            Some(reason) => self.start_failed(sandbox, starting.waiters, reason),
        }
    }

    /// Makes a starting sandbox a running one and gives back what was known of its start.
    pub(super) fn take_starting(&mut self, sandbox: &SandboxId) -> Option<Starting> {
        let entry = self.table.get_mut(sandbox)?;
        match std::mem::replace(&mut entry.phase, Phase::Running) {
            Phase::Starting(starting) => {
                self.unwatch(&starting.report, starting.token);
                Some(starting)
            }
            other => {
                entry.phase = other;
                None
            }
        }
    }

    /// The first process of a sandbox has ended.
    pub(super) fn process_ended(&mut self, sandbox: &SandboxId) {
        let Some(entry) = self.table.get_mut(sandbox) else { return };
        let Some(process) = entry.process.take() else { return };
        // One that an earlier launcher started is not ours to wait for: the supervisor does.
        let id = rustix::process::WaitId::PidFd(process.pidfd.as_fd());
        let _not_ours = rustix::process::waitid(id, rustix::process::WaitIdOptions::EXITED);
        self.unwatch(&process.pidfd, process.token);
        let Some(entry) = self.table.get(sandbox) else { return };
        match entry.phase {
            Phase::Starting(_) => self.report_ready(sandbox),
            Phase::Running | Phase::Pausing(_) => {
                self.broadcast(&FromLauncher::Exited { sandbox: sandbox.clone() });
                self.begin_end(sandbox);
            }
            Phase::Ending(_) => self.advance(sandbox),
        }
    }
}
