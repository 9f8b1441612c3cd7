//! What an agent's refusals mean.

use atoll_agent_protocol::{FIRST_SEQ_METADATA, STDIN_OFFSET_METADATA};
use atoll_ports::AgentError;
use tonic::{Code, Status};

/// Longest text of an agent that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// The error for a refusal, where nothing else is known about the call.
pub(crate) fn error_of(status: &Status) -> AgentError {
    match status.code() {
        Code::NotFound => AgentError::NotFound,
        Code::ResourceExhausted => AgentError::TooMany,
        Code::InvalidArgument => AgentError::Refused(bounded(status.message())),
        Code::OutOfRange => out_of_range(status),
        Code::Unimplemented | Code::DataLoss => AgentError::Protocol(bounded(status.message())),
        _ => AgentError::Unreachable(bounded(status.message())),
    }
}

fn out_of_range(status: &Status) -> AgentError {
    if let Some(first_seq) = number(status, FIRST_SEQ_METADATA) {
        return AgentError::EventsGone { first_seq };
    }
    match number(status, STDIN_OFFSET_METADATA) {
        Some(expected) => AgentError::StdinOffset { expected },
        None => AgentError::Protocol(bounded(status.message())),
    }
}

fn number(status: &Status, key: &'static str) -> Option<u64> {
    status.metadata().get(key)?.to_str().ok()?.parse().ok()
}

/// Text from a sandbox, cut, and without what a terminal or a log would act on.
pub(crate) fn bounded(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_cut_and_cleaned() {
        let text = bounded(&format!("\u{1b}[2J{}", "x".repeat(10_000)));
        assert!(text.starts_with('\u{FFFD}') && text.chars().count() == MESSAGE_CHARS_MAX);
    }

    #[test]
    fn a_range_that_is_gone_tells_what_is_left() {
        let mut status = Status::out_of_range("gone");
        status.metadata_mut().insert(FIRST_SEQ_METADATA, 7_u64.into());
        assert_eq!(error_of(&status), AgentError::EventsGone { first_seq: 7 });
        assert!(matches!(error_of(&Status::out_of_range("too large")), AgentError::Protocol(_)));
    }
}
