//! Which request is accepted, already done, or denied and why.

use atoll_types::{Desired, Observed, OperationKind, Status};

use crate::status::{State, status};

/// What somebody, or a timer, asks of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Bring it up.
    Start,
    /// Take it down and keep its files.
    Stop,
    /// Take it down where it is up, then bring it up.
    Restart,
    /// Remove it.
    Delete,
    /// Run a command in it.
    Exec,
    /// Count it as active.
    Keepalive,
    /// Freeze everything that runs in it.
    Pause,
    /// Let it go on.
    Resume,
    /// Tell what it uses.
    Measure,
}

/// What is to be done about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Begin this operation; `None` where the request needs none.
    Accept(Option<OperationKind>),
    /// Nothing: it is as it was asked to be.
    AlreadyDone,
    /// Answer with this reason.
    Denied(Denial),
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It is being deleted; nothing but another delete is accepted.
    Deleting,
    /// It must be running.
    NotRunning(Status),
    /// It is paused, and must be resumed first.
    Paused,
}

/// Decides about a request to a sandbox whose driver is idle (no operation runs, though one may be recorded that a
/// crash cut off: a delete overtakes it, everything else waits until it is finished).
#[must_use]
pub const fn decide(request: Request, state: State) -> Decision {
    let shown = status(state);
    match (request, shown) {
        (Request::Delete, _) => Decision::Accept(Some(OperationKind::Delete)),
        (_, Status::Deleting) => Decision::Denied(Denial::Deleting),
        (Request::Start, Status::Running | Status::Creating | Status::Starting)
        | (Request::Stop, Status::Stopped | Status::Failed | Status::Stopping)
        | (Request::Resume, Status::Running) => Decision::AlreadyDone,
        // A start makes a sandbox run that does not; who paused one means to find it as it was.
        (Request::Start | Request::Exec | Request::Keepalive, Status::Paused) => {
            Decision::Denied(Denial::Paused)
        }
        (Request::Pause, Status::Paused) => match (state.desired, state.observed) {
            (Desired::Paused, Observed::Paused) => Decision::AlreadyDone,
            // A pause or a resume that was cut off.
            _ => Decision::Accept(None),
        },
        (Request::Start, _) => Decision::Accept(Some(OperationKind::Start)),
        (Request::Stop, _) => Decision::Accept(Some(OperationKind::Stop)),
        (
            Request::Restart,
            Status::Running | Status::Paused | Status::Starting | Status::Creating | Status::Unknown,
        ) => Decision::Accept(Some(OperationKind::Stop)),
        (Request::Restart, _) => Decision::Accept(Some(OperationKind::Start)),
        (Request::Exec | Request::Keepalive | Request::Pause | Request::Measure, Status::Running)
        | (Request::Resume | Request::Measure, Status::Paused) => Decision::Accept(None),
        (Request::Exec | Request::Keepalive | Request::Pause | Request::Resume | Request::Measure, other) => {
            Decision::Denied(Denial::NotRunning(other))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_state() -> impl Strategy<Value = State> {
        let desired = prop_oneof![
            Just(Desired::Running),
            Just(Desired::Paused),
            Just(Desired::Stopped),
            Just(Desired::Deleted)
        ];
        let observed = prop_oneof![
            Just(Observed::Unknown),
            Just(Observed::Absent),
            Just(Observed::Stopped),
            Just(Observed::Running),
            Just(Observed::Crashed),
            Just(Observed::Paused)
        ];
        let operation = prop_oneof![
            Just(None),
            Just(Some(OperationKind::Create)),
            Just(Some(OperationKind::Start)),
            Just(Some(OperationKind::Stop)),
            Just(Some(OperationKind::Delete))
        ];
        (desired, observed, operation, any::<bool>())
            .prop_map(|(desired, observed, operation, failed)| State { desired, observed, operation, failed })
    }

    /// Every state that is shown as paused: wished for, or not thawed yet.
    fn paused_state() -> impl Strategy<Value = State> {
        let pair = prop_oneof![
            Just((Desired::Paused, Observed::Running)),
            Just((Desired::Paused, Observed::Paused)),
            Just((Desired::Running, Observed::Paused)),
            Just((Desired::Stopped, Observed::Paused)),
        ];
        (pair, any::<bool>()).prop_map(|((desired, observed), failed)| State {
            desired,
            observed,
            operation: None,
            failed,
        })
    }

    proptest! {
        #[test]
        fn delete_is_accepted_from_every_state(state in any_state()) {
            prop_assert_eq!(decide(Request::Delete, state), Decision::Accept(Some(OperationKind::Delete)));
        }

        #[test]
        fn nothing_else_is_accepted_while_deleting(state in any_state()) {
            prop_assume!(status(state) == Status::Deleting);
            for request in [
                Request::Start, Request::Stop, Request::Restart, Request::Exec, Request::Keepalive, Request::Pause,
                Request::Resume,
            ] {
                prop_assert_eq!(decide(request, state), Decision::Denied(Denial::Deleting));
            }
        }

        #[test]
        fn an_exec_is_accepted_only_while_shown_as_running(state in any_state()) {
            let accepted = decide(Request::Exec, state) == Decision::Accept(None);
            prop_assert_eq!(accepted, status(state) == Status::Running);
        }

        #[test]
        fn a_paused_sandbox_is_stopped_restarted_and_resumed_but_not_used(state in paused_state()) {
            prop_assert_eq!(status(state), Status::Paused);
            for request in [Request::Start, Request::Exec, Request::Keepalive] {
                prop_assert_eq!(decide(request, state), Decision::Denied(Denial::Paused));
            }
            for request in [Request::Stop, Request::Restart] {
                prop_assert_eq!(decide(request, state), Decision::Accept(Some(OperationKind::Stop)));
            }
            prop_assert_eq!(decide(Request::Resume, state), Decision::Accept(None));
        }

        #[test]
        fn only_what_runs_is_paused_and_only_what_is_paused_is_resumed(state in any_state()) {
            let shown = status(state);
            prop_assume!(shown != Status::Deleting);
            let up = matches!(shown, Status::Running | Status::Paused);
            for request in [Request::Pause, Request::Resume, Request::Measure] {
                let denied = decide(request, state) == Decision::Denied(Denial::NotRunning(shown));
                prop_assert_eq!(denied, !up);
            }
        }

        #[test]
        fn a_pause_or_resume_that_succeeded_is_already_done_when_repeated(failed in any::<bool>()) {
            let up = State { desired: Desired::Running, observed: Observed::Running, operation: None, failed };
            let paused = State { desired: Desired::Paused, observed: Observed::Paused, operation: None, failed };
            prop_assert_eq!(decide(Request::Resume, up), Decision::AlreadyDone);
            prop_assert_eq!(decide(Request::Pause, paused), Decision::AlreadyDone);
        }

        #[test]
        fn a_start_or_stop_that_succeeded_is_already_done_when_repeated(failed in any::<bool>()) {
            let up = State { desired: Desired::Running, observed: Observed::Running, operation: None, failed };
            let down = State { desired: Desired::Stopped, observed: Observed::Stopped, operation: None, failed };
            prop_assert_eq!(decide(Request::Start, up), Decision::AlreadyDone);
            prop_assert_eq!(decide(Request::Stop, down), Decision::AlreadyDone);
        }
    }
}
