//! Calls that were asked and not answered yet.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use atoll_launcher_protocol::{Answer, Call, Reply, Request};
use tokio::sync::oneshot;

use crate::convert::CallError;

/// An answer with the descriptors beside it.
pub(crate) type Answered = (Answer, Vec<OwnedFd>);

/// A call with whoever waits for its answer.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) call: Call,
    pub(crate) descriptor: Option<Arc<OwnedFd>>,
    pub(crate) reply: oneshot::Sender<Result<Answered, CallError>>,
    /// Whether it was asked of an earlier launcher too.
    pub(crate) asked_twice: bool,
}

/// The calls, by their number.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    calls: BTreeMap<u64, Command>,
    last: u64,
}

impl Pending {
    /// Numbers a call.
    pub(crate) fn add(&mut self, command: Command) -> u64 {
        self.last += 1;
        self.calls.insert(self.last, command);
        self.last
    }

    /// What to send for a number; `None` when nobody waits for it any more.
    pub(crate) fn request(&mut self, id: u64) -> Option<(Request, Option<Arc<OwnedFd>>)> {
        if self.calls.get(&id)?.reply.is_closed() {
            self.calls.remove(&id);
            return None;
        }
        let command = self.calls.get(&id)?;
        Some((Request { id, call: command.call.clone() }, command.descriptor.clone()))
    }

    /// Hands an answer over; one that nobody waits for is dropped.
    pub(crate) fn answer(&mut self, reply: Reply, descriptors: Vec<OwnedFd>) {
        if let Some(command) = self.calls.remove(&reply.id) {
            let result = reply.result.map(|answer| (answer, descriptors));
            let _gave_up = command.reply.send(result.map_err(CallError::Failed));
        }
    }

    /// Takes one back that could not be sent at all.
    pub(crate) fn fail(&mut self, id: u64, reason: &str) {
        if let Some(command) = self.calls.remove(&id) {
            let _gave_up = command.reply.send(Err(CallError::Unavailable(reason.to_owned())));
        }
    }

    /// The connection was lost: fails what was asked twice, and gives the numbers of the rest, in order, to be asked
    /// again.
    pub(crate) fn ask_again(&mut self) -> Vec<u64> {
        let (again, failed): (Vec<u64>, Vec<u64>) =
            self.calls.keys().partition(|id| !self.calls.get(id).is_some_and(|command| command.asked_twice));
        for id in failed {
            self.fail(id, "it died twice during the call");
        }
        for command in self.calls.values_mut() {
            command.asked_twice = true;
        }
        again
    }
}
