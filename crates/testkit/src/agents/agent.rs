//! One agent: the commands of one sandbox, from its boot to its death.

use std::collections::BTreeMap;
use std::time::Duration;

use atoll_ports::AgentError;
use atoll_types::{BootTime, ExecEvent, ExecEventKind, ExecId, TerminalName};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::exec::Exec;
use super::terminal::Terminal;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) dead: bool,
    pub(super) hung: bool,
    /// Raised when all connections are cut; a stream of an older one fails.
    pub(super) connection: u64,
    pub(super) execs: BTreeMap<ExecId, Exec>,
    pub(super) terminals: BTreeMap<TerminalName, Terminal>,
    pub(super) last_generation: u64,
    pub(super) ports: Vec<u16>,
    pub(super) idle: Option<Duration>,
    pub(super) last_activity: Option<BootTime>,
}

/// One agent.
#[derive(Debug, Default)]
pub(super) struct Agent {
    pub(super) state: Mutex<State>,
    changed: watch::Sender<()>,
}

pub(super) fn unreachable(why: &str) -> AgentError {
    AgentError::Unreachable(why.to_owned())
}

impl Agent {
    /// Changes the state and wakes whoever waits for it to change.
    pub(super) fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.state.lock());
        self.changed.send_replace(());
        result
    }

    /// Answers as soon as `look` has an answer; waits while the agent hangs, fails when it is dead.
    pub(super) async fn wait<T>(
        &self,
        mut look: impl FnMut(&mut State) -> Option<Result<T, AgentError>>,
    ) -> Result<T, AgentError> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(result) = self.look(&mut look) {
                return result;
            }
            // The sender lives in `self`, so waiting cannot fail.
            if changed.changed().await.is_err() {
                return Err(unreachable("the agent is gone"));
            }
        }
    }

    fn look<T>(
        &self,
        look: &mut impl FnMut(&mut State) -> Option<Result<T, AgentError>>,
    ) -> Option<Result<T, AgentError>> {
        let mut state = self.state.lock();
        if state.dead {
            return Some(Err(unreachable("the agent died")));
        }
        if state.hung {
            return None;
        }
        look(&mut state)
    }

    /// The event of this number; waits for it. `None` after the exit.
    pub(super) async fn event(
        &self,
        exec: &ExecId,
        seq: u64,
        connection: u64,
    ) -> Result<Option<ExecEvent>, AgentError> {
        self.wait(|state| {
            if state.connection != connection {
                return Some(Err(unreachable("the connection broke")));
            }
            let Some(held) = state.execs.get(exec) else { return Some(Err(AgentError::NotFound)) };
            match held.event(seq) {
                Some(event) => Some(Ok(Some(event))),
                None if seq < held.first_seq() => {
                    Some(Err(AgentError::EventsGone { first_seq: held.first_seq() }))
                }
                None if held.ended => Some(Ok(None)),
                None => None,
            }
        })
        .await
    }
}

/// Whether this event is the last of its stream.
pub(super) fn is_last(event: &ExecEvent) -> bool {
    matches!(event.kind, ExecEventKind::Exit(_))
}
