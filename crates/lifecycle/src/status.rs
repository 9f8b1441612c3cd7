//! The state that people are shown.

use atoll_types::{Desired, Observed, OperationKind, Status};

/// The part of a record that decisions are made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// What was asked.
    pub desired: Desired,
    /// What was last seen.
    pub observed: Observed,
    /// Work under way.
    pub operation: Option<OperationKind>,
    /// Whether the last operation failed.
    pub failed: bool,
}

/// The shown state: computed, never stored.
#[must_use]
pub const fn status(state: State) -> Status {
    match (state.desired, state.operation) {
        (Desired::Deleted, _) | (_, Some(OperationKind::Delete)) => Status::Deleting,
        (_, Some(OperationKind::Create)) => Status::Creating,
        (_, Some(OperationKind::Start)) => Status::Starting,
        (_, Some(OperationKind::Stop)) => Status::Stopping,
        // From when it is asked until it runs again: what is asked of a sandbox in between would wait for its thaw.
        (Desired::Paused, None) if matches!(state.observed, Observed::Running) => Status::Paused,
        (Desired::Running | Desired::Paused | Desired::Stopped, None) => {
            at_rest(state.observed, state.failed)
        }
    }
}

const fn at_rest(observed: Observed, failed: bool) -> Status {
    match observed {
        Observed::Running => Status::Running,
        Observed::Paused => Status::Paused,
        Observed::Crashed => Status::Crashed,
        Observed::Unknown => Status::Unknown,
        Observed::Stopped if failed => Status::Failed,
        Observed::Stopped => Status::Stopped,
        Observed::Absent => Status::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(desired: Desired, observed: Observed) -> Status {
        status(State { desired, observed, operation: None, failed: false })
    }

    #[test]
    fn paused_is_shown_from_the_wish_to_the_thaw() {
        assert_eq!(of(Desired::Paused, Observed::Running), Status::Paused);
        assert_eq!(of(Desired::Paused, Observed::Paused), Status::Paused);
        assert_eq!(of(Desired::Running, Observed::Paused), Status::Paused);
        assert_eq!(of(Desired::Running, Observed::Running), Status::Running);
    }

    #[test]
    fn a_paused_sandbox_that_is_down_is_shown_as_down() {
        assert_eq!(of(Desired::Paused, Observed::Crashed), Status::Crashed);
        assert_eq!(of(Desired::Paused, Observed::Stopped), Status::Stopped);
    }
}
