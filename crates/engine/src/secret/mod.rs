//! Secrets of environments: set, named, removed, given to processes, and sealed anew.
//!
//! A value is sealed before it is written, and opened when a process of a sandbox of its environment starts: the main process, an
//! exec, the run of a job, a terminal. It is in that process's environment and nowhere else; nobody is shown it again. A process
//! that runs keeps what it was given; the next one gets what is set then.

mod give;
mod manage;
mod rotate;

use atoll_types::{EnvironmentId, ErrorCode, SecretName};

use crate::EngineError;

pub(crate) use give::UsedSecrets;
pub use rotate::Rotated;

/// Most secrets of an environment: each start of a process opens them all.
pub(crate) const SECRETS_MAX: usize = 100;

/// What a sealed value belongs to: it opens nowhere else.
fn context(environment: &EnvironmentId, name: &SecretName) -> Vec<u8> {
    format!("secret\0{environment}\0{name}").into_bytes()
}

fn not_found() -> EngineError {
    EngineError::new(
        ErrorCode::SecretNotFound,
        "the environment has no such secret: 'atoll secret list ENVIRONMENT' shows their names",
    )
}
