//! Connections into sandboxes: made here, handed over, and not ours any more.

use std::num::{NonZeroU16, NonZeroU32};
use std::os::fd::{AsFd, OwnedFd};

use atoll_launcher_protocol::{Answer, Failure, FailureKind, agent_socket_name};
use atoll_types::{AgentSocketId, SandboxId};
use rustix::io::Errno;
use rustix::process::Pid;

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

    /// Answers with a socket that is connected to the agent of a container.
    pub(super) fn dial_agent(&mut self, waiter: Waiter, process: NonZeroU32, socket: &AgentSocketId) {
        match self.dialed_agent(waiter, process, socket) {
            Ok(socket) => self.answer_with(waiter, Answer::Dialed, socket),
            Err(refusal) => self.answer(waiter, Err(refusal)),
        }
    }

    fn dialed_agent(
        &self,
        waiter: Waiter,
        process: NonZeroU32,
        socket: &AgentSocketId,
    ) -> Result<OwnedFd, Failure> {
        self.may_dial(waiter)?;
        let number = i32::try_from(process.get()).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| failure(FailureKind::Invalid, "there are no such processes"))?;
        let name = agent_socket_name(&self.tools.house.installation, socket);
        net::dial_name(number, &name).map_err(|error| match error.errno {
            Errno::SRCH | Errno::CONNREFUSED | Errno::PERM => failure(
                FailureKind::NotFound,
                format!("process {process} is no agent that listens as {name}"),
            ),
            _ => error.into(),
        })
    }

    fn may_dial(&self, waiter: Waiter) -> Result<(), Failure> {
        if self.sockets_unsent(waiter) >= SOCKETS_UNSENT_MAX {
            return Err(failure(FailureKind::Conflict, "too many connections wait to be taken"));
        }
        Ok(())
    }

    fn dialed(&self, waiter: Waiter, sandbox: &SandboxId, port: NonZeroU16) -> Result<OwnedFd, Failure> {
        self.may_dial(waiter)?;
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
