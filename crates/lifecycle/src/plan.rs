//! What the reconciler does about the difference between a record and what is really there.

use atoll_types::{Desired, Observed, OperationKind};

use crate::status::State;

/// What the runtime really holds of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// Files or remains, and no agent.
    Files,
    /// A living agent.
    Running,
    /// A living agent, and everything else frozen.
    Paused,
}

/// What to do about one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: the record tells what is there.
    Nothing,
    /// Take up the operation that was cut off.
    Resume(OperationKind),
    /// Begin to remove it: it was asked to be gone and no operation says so.
    Delete,
    /// Its agent died: clear the remains, its execs are lost, and say `crashed`.
    Crash,
    /// It should be down: take it down.
    Stop,
    /// Write down what is there: it runs.
    NoteRunning,
    /// Write down what is there: it is down.
    NoteStopped,
    /// Write down what is there: it is paused.
    NotePaused,
    /// It should be paused: freeze it.
    Pause,
    /// It should run: thaw it.
    Thaw,
}

/// Compares a record with what was found. What happened to us is noted, never undone: a sandbox that died is not
/// started again by itself. `host_restarted` says that the host has booted since the sandbox came up: then a
/// running sandbox did not crash, its host went down.
#[must_use]
pub const fn plan(state: State, found: Found, host_restarted: bool) -> Action {
    if let Some(operation) = state.operation {
        return match state.desired {
            Desired::Deleted => Action::Resume(OperationKind::Delete),
            Desired::Running | Desired::Paused | Desired::Stopped => Action::Resume(operation),
        };
    }
    match (state.desired, found, state.observed) {
        (Desired::Deleted, _, _) => Action::Delete,
        (Desired::Running, Found::Running, Observed::Running)
        | (Desired::Paused, Found::Paused, Observed::Paused)
        | (
            Desired::Running | Desired::Paused,
            Found::Files | Found::Nothing,
            Observed::Crashed | Observed::Stopped,
        )
        | (Desired::Stopped, Found::Files | Found::Nothing, Observed::Stopped | Observed::Crashed) => {
            Action::Nothing
        }
        (Desired::Running, Found::Running, _) => Action::NoteRunning,
        (Desired::Running, Found::Paused, _) => Action::Thaw,
        (Desired::Paused, Found::Paused, _) => Action::NotePaused,
        (Desired::Paused, Found::Running, _) => Action::Pause,
        (Desired::Running | Desired::Paused, Found::Files | Found::Nothing, _) if host_restarted => {
            Action::NoteStopped
        }
        (Desired::Running | Desired::Paused, Found::Files | Found::Nothing, _) => Action::Crash,
        (Desired::Stopped, Found::Running | Found::Paused, _) => Action::Stop,
        (Desired::Stopped, Found::Files | Found::Nothing, _) => Action::NoteStopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUND: [Found; 4] = [Found::Nothing, Found::Files, Found::Running, Found::Paused];
    const OBSERVED: [Observed; 6] = [
        Observed::Unknown,
        Observed::Absent,
        Observed::Stopped,
        Observed::Running,
        Observed::Crashed,
        Observed::Paused,
    ];

    /// What the record says after an action was carried out.
    fn after(action: Action, state: State) -> Option<(State, Found)> {
        let rest = State { operation: None, ..state };
        Some(match action {
            Action::Nothing => return None,
            Action::Delete | Action::Resume(OperationKind::Delete) => return None,
            Action::Resume(OperationKind::Create | OperationKind::Start)
            | Action::NoteRunning
            | Action::Thaw => (State { observed: Observed::Running, ..rest }, Found::Running),
            Action::Pause | Action::NotePaused => {
                (State { observed: Observed::Paused, ..rest }, Found::Paused)
            }
            Action::Resume(OperationKind::Stop) | Action::Stop => {
                (State { desired: Desired::Stopped, observed: Observed::Stopped, ..rest }, Found::Files)
            }
            Action::Crash => (State { observed: Observed::Crashed, ..rest }, Found::Files),
            Action::NoteStopped => (State { observed: Observed::Stopped, ..rest }, Found::Files),
        })
    }

    #[test]
    fn one_pass_settles_every_state() {
        for desired in [Desired::Running, Desired::Paused, Desired::Stopped, Desired::Deleted] {
            for observed in OBSERVED {
                for found in FOUND {
                    for restarted in [false, true] {
                        let state = State { desired, observed, operation: None, failed: false };
                        let action = plan(state, found, restarted);
                        if let Some((next, found)) = after(action, state) {
                            assert_eq!(
                                plan(next, found, restarted),
                                Action::Nothing,
                                "{state:?} {found:?} {action:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_sandbox_that_must_be_gone_is_never_left() {
        for observed in OBSERVED {
            for found in FOUND {
                for operation in [None, Some(OperationKind::Create), Some(OperationKind::Delete)] {
                    let state = State { desired: Desired::Deleted, observed, operation, failed: false };
                    let action = plan(state, found, false);
                    assert!(
                        matches!(action, Action::Delete | Action::Resume(OperationKind::Delete)),
                        "{state:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_dead_agent_is_a_crash_unless_the_host_went_down() {
        let up =
            State { desired: Desired::Running, observed: Observed::Running, operation: None, failed: false };
        assert_eq!(plan(up, Found::Files, false), Action::Crash);
        assert_eq!(plan(up, Found::Files, true), Action::NoteStopped);
    }

    #[test]
    fn what_the_kernel_holds_becomes_what_was_asked() {
        let state = |desired, observed| State { desired, observed, operation: None, failed: false };
        for observed in OBSERVED {
            assert_eq!(plan(state(Desired::Running, observed), Found::Paused, false), Action::Thaw);
            assert_eq!(plan(state(Desired::Paused, observed), Found::Running, false), Action::Pause);
            assert_eq!(plan(state(Desired::Stopped, observed), Found::Paused, false), Action::Stop);
        }
        let paused = state(Desired::Paused, Observed::Paused);
        assert_eq!(plan(paused, Found::Paused, false), Action::Nothing);
        assert_eq!(plan(paused, Found::Files, false), Action::Crash);
        assert_eq!(plan(paused, Found::Files, true), Action::NoteStopped);
    }
}
