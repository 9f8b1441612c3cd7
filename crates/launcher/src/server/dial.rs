//! Connections into sandboxes: made here, handed over, and not ours any more.

use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};

use atoll_launcher_protocol::{Answer, Failure, FailureKind};
use atoll_types::SandboxId;
use rustix::io::Errno;

use super::Server;
use super::connection::Waiter;
use super::table::{Entry, Phase};
use crate::net;
use crate::report::failure;

/// Sockets that wait for a peer which does not read: with each a network lives on. More than one turn of requests makes.
const SOCKETS_UNSENT_MAX: usize = 64;

impl Server {
    /// Answers with a socket that is being connected. It takes a few tens of microseconds, whatever the sandbox does: no
    /// helper process is worth that.
    pub(super) fn dial(&mut self, waiter: Waiter, sandbox: &SandboxId, port: NonZeroU16) {
        match self.dialed(waiter, sandbox, port) {
            Ok(socket) => self.answer_with(waiter, Answer::Dialing, socket),
            Err(refusal) => self.answer(waiter, Err(refusal)),
        }
    }

    fn dialed(&self, waiter: Waiter, sandbox: &SandboxId, port: NonZeroU16) -> Result<OwnedFd, Failure> {
        if self.sockets_unsent(waiter) >= SOCKETS_UNSENT_MAX {
            return Err(failure(FailureKind::Conflict, "too many connections wait to be taken"));
        }
        let down = || failure(FailureKind::NotFound, format!("the sandbox {sandbox} does not run"));
        let Some(Entry { phase: Phase::Running, process: Some(process), .. }) = self.table.get(sandbox)
        else {
            return Err(down());
        };
        net::dial(process.pidfd.as_fd(), port).map_err(|error| match error.errno {
            // It has ended, and its end was not heard of yet.
            Errno::SRCH => down(),
            _ => error.into(),
        })
    }
}
