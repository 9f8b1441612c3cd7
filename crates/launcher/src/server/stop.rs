//! The orderly stop: what belongs to the launcher ends before it does.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::Server;
use super::table::Phase;

impl Server {
    /// Ends helpers and children that are not agents yet, and waits until they have. All of them would die with the launcher,
    /// but later than it: whoever looked then would find a launcher without a supervisor. What they did is begun again by the
    /// next launcher.
    pub(super) fn end_helpers(&self) {
        let starting = self.table.values().filter(|entry| matches!(entry.phase, Phase::Starting(_)));
        let starting = starting.filter_map(|entry| entry.process.as_ref()).map(|process| &process.pidfd);
        let all: Vec<&OwnedFd> = self.workers.processes().chain(starting).collect();
        for pidfd in &all {
            let _gone_is_fine = pidfd_send_signal(pidfd.as_fd(), Signal::KILL);
        }
        for pidfd in all {
            let _ended_is_fine = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
        }
        // What was discarded a moment ago: there may be no next launcher to remove it.
        self.tools.cgroups.collect(false);
    }
}
