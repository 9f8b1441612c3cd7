//! What isolates the code of strangers.

use atoll_ports::RuntimeInfo;
use atoll_types::{ErrorCode, RuntimeKind};

use crate::EngineError;

/// Whether what runs in it does not speak to the host's kernel itself. A kind that is new must say so here.
const fn is_strong(kind: RuntimeKind) -> bool {
    match kind {
        RuntimeKind::Native | RuntimeKind::Docker => false,
        RuntimeKind::Gvisor => true,
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

    fn runtime(kind: RuntimeKind, available: bool) -> RuntimeInfo {
        RuntimeInfo {
            kind,
            available,
            notes: Vec::new(),
            disk_limits: true,
            no_networks: None,
            no_gpus: None,
        }
    }

    fn native(available: bool) -> RuntimeInfo {
        runtime(RuntimeKind::Native, available)
    }

    #[test]
    fn a_strong_one_goes_before_whatever_is_allowed() {
        let docker = runtime(RuntimeKind::Docker, true);
        for allowed in [false, true] {
            let all = [native(true), docker.clone(), runtime(RuntimeKind::Gvisor, true)];
            assert_eq!(choose(&all, allowed).unwrap(), RuntimeKind::Gvisor);
        }
        let without = [docker, runtime(RuntimeKind::Gvisor, false)];
        assert!(choose(&without, true).is_err(), "Docker alone is not what was allowed");
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
