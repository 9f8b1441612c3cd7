//! The launcher's failures in the words of the ports.

use atoll_launcher_protocol as launcher;
use atoll_launcher_protocol::{Answer, Failure, FailureKind};
use atoll_ports::{ImageSize, ImagesError, RuntimeError};

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CallError {
    /// The launcher says so.
    #[error(transparent)]
    Failed(Failure),
    /// The launcher is not there.
    #[error("the launcher does not answer: {0}")]
    Unavailable(String),
}

impl CallError {
    /// An answer to another question.
    pub(crate) fn unexpected(answer: &Answer) -> Self {
        let message = format!("the launcher answered something else: {answer:?}");
        Self::Failed(Failure { kind: FailureKind::System, message })
    }
}

/// For the runtime's calls.
pub(crate) fn runtime(error: CallError) -> RuntimeError {
    match error {
        CallError::Unavailable(reason) => RuntimeError::Unavailable(reason),
        CallError::Failed(Failure { kind, message }) => match kind {
            FailureKind::DiskFull => RuntimeError::DiskFull,
            FailureKind::NotFound => RuntimeError::ImageMissing,
            FailureKind::Invalid => RuntimeError::Refused(message),
            // Another range, another end under way: it goes through once that is over.
            FailureKind::Conflict => RuntimeError::Unavailable(message),
            FailureKind::BadArchive | FailureKind::System => RuntimeError::Failed(message),
        },
    }
}

/// What an image takes in the words of the ports.
pub(crate) const fn image_size(size: launcher::ImageSize) -> ImageSize {
    ImageSize { shared_bytes: size.shared_bytes, unique_bytes: size.unique_bytes }
}

/// For imports.
pub(crate) fn import(error: CallError) -> ImagesError {
    match error {
        CallError::Failed(Failure { kind: FailureKind::BadArchive, message }) => {
            ImagesError::BadArchive(message)
        }
        other => ImagesError::Runtime(runtime(other)),
    }
}

/// For removals of images.
pub(crate) fn remove_image(error: CallError) -> ImagesError {
    match error {
        CallError::Failed(Failure { kind: FailureKind::Conflict, .. }) => ImagesError::InUse,
        other => ImagesError::Runtime(runtime(other)),
    }
}
