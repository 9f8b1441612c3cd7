//! The broker's words in those of the ports.

use atoll_broker_protocol::{Answer, FailureKind};
use atoll_ports::{BuildError, ImagesError, RuntimeError};
use atoll_types::{RuntimeKind, SandboxId};

/// What happened, for the runtimes of both kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    Exited(SandboxId, RuntimeKind),
    Missed,
}

/// Why a call has no answer that is of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The broker is not there, or does not answer.
    Away(String),
    /// It said why not.
    Failed(FailureKind, String),
    /// It answered something else.
    Unexpected,
}

pub(crate) fn runtime(error: CallError) -> RuntimeError {
    match error {
        CallError::Away(why) => RuntimeError::Unavailable(format!("the Docker broker: {why}")),
        CallError::Failed(kind, message) => match kind {
            FailureKind::Invalid => RuntimeError::Refused(message),
            FailureKind::ImageMissing => RuntimeError::ImageMissing,
            FailureKind::DiskFull => RuntimeError::DiskFull,
            FailureKind::NoGpus => RuntimeError::NoGpus(message),
            FailureKind::Unavailable => RuntimeError::Unavailable(message),
            FailureKind::NotFound
            | FailureKind::InUse
            | FailureKind::BadArchive
            | FailureKind::System
            | FailureKind::BadContext
            | FailureKind::ContextTooLarge
            | FailureKind::BadDockerfile
            | FailureKind::BuildFailed
            | FailureKind::TooManyBuilds
            | FailureKind::Unsupported => RuntimeError::Failed(message),
        },
        CallError::Unexpected => RuntimeError::Failed("the Docker broker answered something else".to_owned()),
    }
}

pub(crate) fn images(error: CallError) -> ImagesError {
    match error {
        CallError::Failed(FailureKind::InUse, _) => ImagesError::InUse,
        CallError::Failed(FailureKind::BadArchive, message) => ImagesError::BadArchive(message),
        other => runtime(other).into(),
    }
}

pub(crate) fn build(error: CallError) -> BuildError {
    match error {
        CallError::Failed(FailureKind::BadContext, message) => BuildError::BadContext(message),
        CallError::Failed(FailureKind::ContextTooLarge, message) => BuildError::TooLarge(message),
        CallError::Failed(FailureKind::BadDockerfile, message) => BuildError::BadDockerfile(message),
        CallError::Failed(FailureKind::BuildFailed, message) => BuildError::Failed(message),
        CallError::Failed(FailureKind::TooManyBuilds, message) => BuildError::TooMany(message),
        CallError::Failed(FailureKind::Unsupported, message) => BuildError::Unsupported(message),
        other => runtime(other).into(),
    }
}

pub(crate) fn done(answer: &Answer) -> Result<(), CallError> {
    if *answer == Answer::Done { Ok(()) } else { Err(CallError::Unexpected) }
}
