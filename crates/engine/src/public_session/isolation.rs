//! What isolates the code of strangers.

use atoll_ports::RuntimeInfo;
use atoll_types::{ErrorCode, RuntimeKind};

use crate::EngineError;

/// Whether what runs in it does not speak to the host's kernel itself. A kind that is new must say so here.
const fn is_strong(kind: RuntimeKind) -> bool {
    match kind {
        RuntimeKind::Native => false,
    }
}

/// The runtime of sessions: a strong one that is there, else the embedded one where the operator says that it will do. It is
/// never put in the place of a stronger one by itself.
pub(super) fn choose(runtimes: &[RuntimeInfo], allow_native: bool) -> Result<RuntimeKind, EngineError> {
    let available = || runtimes.iter().filter(|runtime| runtime.available).map(|runtime| runtime.kind);
    if let Some(kind) = available().find(|kind| is_strong(*kind)) {
        return Ok(kind);
    }
    if allow_native && available().any(|kind| kind == RuntimeKind::Native) {
        return Ok(RuntimeKind::Native);
    }
    let text = if allow_native {
        "no runtime is available here now"
    } else {
        "public sessions need gVisor, which is not here; the operator can allow less with sessions.allowNative"
    };
    Err(EngineError::new(ErrorCode::SessionsUnavailable, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(available: bool) -> RuntimeInfo {
        RuntimeInfo { kind: RuntimeKind::Native, available, notes: Vec::new(), disk_limits: true }
    }

    #[test]
    fn less_than_a_strong_one_must_be_allowed() {
        assert_eq!(choose(&[native(true)], true).unwrap(), RuntimeKind::Native);
        for (runtimes, allowed) in [(vec![native(true)], false), (vec![native(false)], true), (vec![], true)]
        {
            let refused = choose(&runtimes, allowed).unwrap_err();
            assert_eq!(refused.code, ErrorCode::SessionsUnavailable, "{runtimes:?}");
        }
    }
}
