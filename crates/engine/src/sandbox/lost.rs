//! Requests that the end of their sandbox cut off.

use atoll_ports::SandboxRecord;
use atoll_types::ErrorCode;

use crate::{Caller, Engine, EngineError};

impl Engine {
    /// What a failure is told as: an agent that is gone because its sandbox was stopped, restarted or deleted meanwhile is no
    /// fault of the server. `before` is the record that the request began with.
    pub(crate) fn told(&self, caller: &Caller, before: &SandboxRecord, error: EngineError) -> EngineError {
        if !matches!(error.code, ErrorCode::AgentUnreachable | ErrorCode::FileOperationFailed) {
            return error;
        }
        match self.running_sandbox(caller, &before.id) {
            Ok(now) if now.started_at == before.started_at => error,
            Ok(_) => {
                let text = "the sandbox was restarted meanwhile: ask again";
                EngineError::new(ErrorCode::SandboxNotRunning, text)
            }
            // Nothing that is frozen hangs up.
            Err(why) if why.code == ErrorCode::SandboxPaused => error,
            Err(why) => why,
        }
    }
}
