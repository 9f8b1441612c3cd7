//! What goes wrong, in the words of the protocol.

use std::time::Duration;

use atoll_broker_protocol::{Failure, FailureKind};
use bollard::errors::Error;

/// How long Docker may take for anything but an image: a container of gVisor's that hangs makes a removal hang for ever.
const CALL_TIME: Duration = Duration::from_secs(60);
/// How long it may take for an image: as the launcher gives an import.
const IMPORT_TIME: Duration = Duration::from_secs(600);
/// What Docker and NVIDIA's tool say where there is no driver of GPUs, or not the GPU that was asked for.
const GPU_TROUBLE: [&str; 2] = ["could not select device driver", "nvidia-container-cli: "];
/// Longest text of Docker's that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure { kind, message: message.into() }
}

/// Waits for Docker, for a bounded time.
pub(crate) async fn asked<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    within(CALL_TIME, call).await
}

/// The same, for an image.
pub(crate) async fn asked_image<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    within(IMPORT_TIME, call).await
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(limit, call).await {
        Ok(done) => done.map_err(|error| of(&error)),
        Err(_) => {
            let text = format!("Docker did not answer in {} seconds", limit.as_secs());
            Err(failure(FailureKind::Unavailable, text))
        }
    }
}

/// The status that Docker answered with, where it answered.
pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Nothing of the kind, or done already: what was to be reached is so.
pub(crate) fn unless<T: Default>(statuses: &[u16], done: Result<T, Error>) -> Result<T, Error> {
    match done {
        Err(error) if status(&error).is_some_and(|status| statuses.contains(&status)) => Ok(T::default()),
        other => other,
    }
}

pub(crate) fn of(error: &Error) -> Failure {
    let Error::DockerResponseServerError { status_code, message } = error else {
        return failure(FailureKind::Unavailable, format!("Docker does not answer: {}", chain(error)));
    };
    let text = bounded(message);
    let kind = match status_code {
        404 if text.to_ascii_lowercase().contains("no such image") => FailureKind::ImageMissing,
        404 => FailureKind::NotFound,
        409 if text.contains("image") => FailureKind::InUse,
        503 => FailureKind::Unavailable,
        _ if GPU_TROUBLE.iter().any(|words| text.contains(words)) => {
            let text = format!(
                "Docker cannot give the GPUs, for which it needs the NVIDIA Container Toolkit: {text}"
            );
            return failure(FailureKind::NoGpus, text);
        }
        _ if text.contains("no space left on device") => FailureKind::DiskFull,
        _ => FailureKind::System,
    };
    failure(kind, format!("Docker refused: {text}"))
}

/// An error with its causes, each once.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    bounded(&text)
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    #[test]
    fn what_docker_says_has_a_kind() {
        for (status, text, kind) in [
            (404, "No such image: x", FailureKind::ImageMissing),
            (404, "No such container: x", FailureKind::NotFound),
            (409, "conflict: unable to delete x: image is being used", FailureKind::InUse),
            (500, "write /x: no space left on device", FailureKind::DiskFull),
            (500, "OCI runtime create failed", FailureKind::System),
            (
                500,
                "could not select device driver \"nvidia\" with capabilities: [[gpu]]",
                FailureKind::NoGpus,
            ),
            (
                500,
                "runc: hook #0: nvidia-container-cli: device error: 9: unknown device",
                FailureKind::NoGpus,
            ),
        ] {
            assert_eq!(of(&answered(status, text)).kind, kind, "{text}");
        }
    }

    #[test]
    fn its_words_are_bounded() {
        let said = of(&answered(500, &"x\n".repeat(10_000))).message;
        assert!(said.chars().count() < 400 && !said.contains('\n'), "{said}");
    }

    #[test]
    fn what_is_so_already_is_done() {
        assert!(unless::<()>(&[304], Err(answered(304, ""))).is_ok());
        assert!(unless::<()>(&[304], Err(answered(500, ""))).is_err());
    }
}
