//! Terminals: open or find, look at, type into, resize, list, close.
//!
//! A terminal lives in the agent of its sandbox, with what it has shown. Nothing of it is stored here, so the death of
//! serve loses nothing: whoever comes back says which terminal it was and what it has seen.

mod change;
mod view;

pub use view::{NewTerminal, Resume, TerminalView};

use atoll_ports::AgentError;
use atoll_types::ErrorCode;

use crate::EngineError;

/// What an agent's refusal means where a terminal is asked for.
fn failed(error: AgentError) -> EngineError {
    let code = match &error {
        AgentError::NotFound => ErrorCode::TerminalNotFound,
        AgentError::StdinClosed => ErrorCode::TerminalEnded,
        AgentError::TooMany => ErrorCode::TooManyTerminals,
        _ => return error.into(),
    };
    let message = match code {
        ErrorCode::TerminalNotFound => "there is no such terminal; GET /sandboxes/{id}/terminals lists them",
        ErrorCode::TerminalEnded => "the program of the terminal has ended",
        _ => "the sandbox has as many terminals, or viewers of them, as it may: close some",
    };
    EngineError::new(code, message)
}
