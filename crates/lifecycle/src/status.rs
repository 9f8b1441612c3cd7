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
        (Desired::Running | Desired::Stopped, None) => at_rest(state.observed, state.failed),
    }
}

const fn at_rest(observed: Observed, failed: bool) -> Status {
    match observed {
        Observed::Running => Status::Running,
        Observed::Crashed => Status::Crashed,
        Observed::Unknown => Status::Unknown,
        Observed::Stopped if failed => Status::Failed,
        Observed::Stopped => Status::Stopped,
        Observed::Absent => Status::Failed,
    }
}
