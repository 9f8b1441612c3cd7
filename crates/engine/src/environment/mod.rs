//! Use-cases of environments.
//!
//! An environment is a name and a row of versions, none of which ever changes. What a sandbox is made of is copied into its own
//! record, so a newer version changes nothing of it; while it exists, its environment cannot be deleted.

mod manage;
mod resolve;

pub use resolve::Base;

use atoll_types::ErrorCode;

use crate::EngineError;

/// Of one that does not exist, and of another's.
pub(crate) fn not_found() -> EngineError {
    EngineError::new(
        ErrorCode::EnvironmentNotFound,
        "there is no such environment: 'atoll env list' shows yours",
    )
}
