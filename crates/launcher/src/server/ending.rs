//! Ends: from any state, in bounded time, without the guest.

use std::os::fd::AsFd;
use std::time::Duration;

use atoll_launcher_protocol::{Answer, Failure, FailureKind};
use atoll_types::SandboxId;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::Timespec;

use super::Server;
use super::connection::Waiter;
use super::table::{Ending, Entry, Phase, Stage};
use crate::clock::now;
use crate::report::{StepError, failure, log};
use crate::sandbox::remove_socket;
use crate::storage;

/// How soon a stage is tried again: frozen tasks that were frozen again, groups whose last process is still being
/// switched out.
const RETRY: Duration = Duration::from_millis(5);

/// When those who wait are told that it does not end. It goes on, more slowly.
const END_TIME: Duration = Duration::from_secs(8);

/// How soon a stage is tried again after that.
const LATE_RETRY: Duration = Duration::from_secs(1);

impl Server {
    /// Ends a sandbox for somebody; one that is gone already is a success.
    pub(super) fn end(&mut self, sandbox: &SandboxId, waiter: Waiter, remove: bool) {
        self.begin_end(sandbox);
        if let Some(Entry { phase: Phase::Ending(ending), .. }) = self.table.get_mut(sandbox) {
            ending.waiters.push(waiter);
            ending.remove |= remove;
            // Its files go: nobody needs them on disk any more.
            if ending.remove && ending.stage == Stage::Closing {
                ending.stage = Stage::Groups;
            }
            if let Some((waiters, _)) = ending.then_start.take() {
                let refusal = failure(FailureKind::Conflict, "the sandbox was stopped meanwhile");
                self.answer_all(&waiters, &Err(refusal));
            }
        }
        self.advance(sandbox);
    }

    /// Begins the end of whatever there is of a sandbox; one that is ending already goes on.
    pub(super) fn begin_end(&mut self, sandbox: &SandboxId) {
        let starting = self.take_starting(sandbox);
        self.end_pausing(sandbox, &Err(failure(FailureKind::Conflict, "the sandbox was stopped meanwhile")));
        let entry = self.table.entry(sandbox.clone()).or_insert_with(|| Entry {
            uid_slot: None,
            image: None,
            process: None,
            phase: Phase::Running,
        });
        if let Phase::Ending(_) = entry.phase {
            return;
        }
        let stopped = || failure(FailureKind::Conflict, "the sandbox was stopped while it started");
        entry.phase = Phase::Ending(Ending {
            stage: Stage::Dying,
            waiters: Vec::new(),
            remove: false,
            failed_start: starting.map(|starting| (starting.waiters, stopped())),
            then_start: None,
            retry_at: Some(now()),
            until: now() + END_TIME,
        });
    }

    /// Ends what a failed start has left, then says why it failed.
    pub(super) fn start_failed(&mut self, sandbox: &SandboxId, waiters: Vec<Waiter>, reason: Failure) {
        self.begin_end(sandbox);
        if let Some(Entry { phase: Phase::Ending(ending), .. }) = self.table.get_mut(sandbox) {
            ending.failed_start = Some((waiters, reason));
        }
        self.advance(sandbox);
    }

    /// Time is up for a start, or has come to try a stage of an end again.
    pub(super) fn time_is_up(&mut self, sandbox: &SandboxId) {
        if let Some(starting) = self.take_starting(sandbox) {
            let reason = failure(FailureKind::System, "the first process did not become the agent in time");
            return self.start_failed(sandbox, starting.waiters, reason);
        }
        self.look_at_freeze(sandbox);
        self.advance(sandbox);
    }

    /// Goes as far with an end as can be gone now.
    pub(super) fn advance(&mut self, sandbox: &SandboxId) {
        while let Some(Entry { phase: Phase::Ending(ending), .. }) = self.table.get(sandbox) {
            let went_on = match ending.stage {
                Stage::Dying => self.kill(sandbox),
                Stage::Groups => self.remove_groups(sandbox),
                Stage::Closing => Ok(false),
            };
            match went_on {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    log(&format!("sandbox {sandbox}: {error}"));
                    self.postpone(sandbox, Some(&error));
                    break;
                }
            }
        }
    }

    /// Whether the first process has ended, though perhaps nobody has waited for it yet.
    pub(super) fn is_dead(&self, sandbox: &SandboxId) -> bool {
        let Some(process) = self.table.get(sandbox).and_then(|entry| entry.process.as_ref()) else {
            return true;
        };
        let mut fds = [PollFd::new(&process.pidfd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready == 1)
    }

    /// Kills the first process, with which the kernel kills every other of its PID namespace. Its own end is the end of
    /// all: the kernel lets it go only after the last of them.
    fn kill(&mut self, sandbox: &SandboxId) -> Result<bool, StepError> {
        let Some(entry) = self.table.get(sandbox) else { return Ok(false) };
        let Some(process) = &entry.process else {
            self.set_stage(sandbox, Stage::Groups);
            return Ok(true);
        };
        // First the signal, then the thaw: what is thawed finds the signal waiting and runs nothing any more.
        match pidfd_send_signal(process.pidfd.as_fd(), Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => return Err(StepError { step: crate::report::Step::Kill, errno }),
        }
        self.tools.cgroups.release(sandbox);
        self.postpone(sandbox, None);
        Ok(false)
    }

    /// Removes groups, then the socket, then deals with the files.
    fn remove_groups(&mut self, sandbox: &SandboxId) -> Result<bool, StepError> {
        if !self.tools.cgroups.remove(sandbox)? {
            // Either the last process is still being switched out, or there are some that no first process took along.
            self.kill_members(sandbox);
            self.postpone(sandbox, None);
            return Ok(false);
        }
        remove_socket(&self.tools.house, sandbox)?;
        self.workers.collect_wanted = true;
        let remove = matches!(
            self.table.get(sandbox),
            Some(Entry { phase: Phase::Ending(Ending { remove: true, .. }), .. })
        );
        if remove {
            self.tools.storage.discard_sandbox(sandbox)?;
        } else if let Some(folder) = self.tools.storage.open_folder(sandbox)?
            && storage::is_dirty(&folder)
            && self.ran_in_this_boot(sandbox)
        {
            self.set_stage(sandbox, Stage::Closing);
            self.close_later(sandbox.clone(), folder);
            return Ok(false);
        }
        self.ended(sandbox);
        Ok(false)
    }

    /// Kills what is in the groups of a sandbox without a known first process.
    fn kill_members(&self, sandbox: &SandboxId) {
        for pid in self.tools.cgroups.members(sandbox) {
            // The descriptor first, then whether it is still a member: numbers are used again.
            let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            if self.tools.cgroups.members(sandbox).contains(&pid) {
                let _gone_is_fine = pidfd_send_signal(pidfd, Signal::KILL);
            }
        }
        self.tools.cgroups.release(sandbox);
    }

    /// Everything of it that is not a file is gone.
    pub(super) fn ended(&mut self, sandbox: &SandboxId) {
        let Some(Entry { phase: Phase::Ending(ending), .. }) = self.table.remove(sandbox) else { return };
        self.answer_all(&ending.waiters, &Ok(Answer::Done));
        if let Some((waiters, reason)) = ending.failed_start {
            self.answer_all(&waiters, &Err(reason));
        }
        if let Some((waiters, request)) = ending.then_start {
            self.start_new(waiters, &request);
        }
    }

    fn set_stage(&mut self, sandbox: &SandboxId, stage: Stage) {
        if let Some(Entry { phase: Phase::Ending(ending), .. }) = self.table.get_mut(sandbox) {
            ending.stage = stage;
            ending.retry_at = None;
        }
    }

    /// Tries again later. Those who have waited too long are told.
    fn postpone(&mut self, sandbox: &SandboxId, error: Option<&StepError>) {
        let Some(Entry { phase: Phase::Ending(ending), .. }) = self.table.get_mut(sandbox) else { return };
        let time = now();
        let late = time >= ending.until;
        ending.retry_at = Some(time + if late { LATE_RETRY } else { RETRY });
        if !late {
            return;
        }
        let mut waiters = std::mem::take(&mut ending.waiters);
        waiters.extend(ending.failed_start.take().into_iter().flat_map(|(waiters, _)| waiters));
        let reason = error.map_or_else(|| "its processes do not end".to_owned(), ToString::to_string);
        self.answer_all(&waiters, &Err(failure(FailureKind::System, format!("sandbox {sandbox}: {reason}"))));
    }
}
