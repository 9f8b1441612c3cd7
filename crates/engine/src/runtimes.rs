//! The runtimes of this machine.

use std::sync::Arc;
use std::time::Duration;

use atoll_ports::{FoundSandbox, Runtime, RuntimeError, RuntimeInfo};
use atoll_types::{Capabilities, ErrorCode, ImageSource, Network, RuntimeKind, SandboxId, SandboxSpec};

use crate::{Engine, EngineError};

/// How long a runtime may take to tell what it holds: one that hangs must not keep the sandboxes of the others from being looked at.
const LIST_LIMIT: Duration = Duration::from_secs(15);

/// The runtimes of this machine, one of each kind. A cheap clone.
#[derive(Debug, Clone)]
pub struct Runtimes(Arc<[Arc<dyn Runtime>]>);

/// What all runtimes hold.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) found: Vec<(RuntimeKind, FoundSandbox)>,
    /// Those that could not be asked: of their sandboxes nothing is known.
    pub(crate) away: Vec<(RuntimeKind, RuntimeError)>,
}

impl Holdings {
    pub(crate) fn is_away(&self, kind: RuntimeKind) -> bool {
        self.away.iter().any(|(away, _)| *away == kind)
    }
}

impl Runtimes {
    /// Those that are set up here; of two of a kind the first.
    #[must_use]
    pub fn new(all: impl IntoIterator<Item = Arc<dyn Runtime>>) -> Self {
        Self(all.into_iter().collect())
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = &dyn Runtime> {
        self.0.iter().map(|runtime| &**runtime)
    }

    /// The runtime of a kind.
    ///
    /// # Errors
    /// `Unavailable` where it is not set up here.
    pub(crate) fn of(&self, kind: RuntimeKind) -> Result<&dyn Runtime, RuntimeError> {
        let found = self.each().find(|runtime| runtime.kind() == kind);
        found.ok_or_else(|| RuntimeError::Unavailable(missing(kind)))
    }

    /// What all of them are and can do.
    pub(crate) async fn infos(&self) -> Vec<RuntimeInfo> {
        futures_util::future::join_all(self.each().map(Runtime::info)).await
    }

    /// What all of them hold.
    pub(crate) async fn holdings(&self) -> Holdings {
        let asked = self.each().map(async |runtime| {
            let kind = runtime.kind();
            let listed = match kind {
                RuntimeKind::Native => runtime.list().await,
                RuntimeKind::Docker | RuntimeKind::Gvisor => {
                    let late = || Err(RuntimeError::Unavailable("it does not tell what it holds".to_owned()));
                    tokio::time::timeout(LIST_LIMIT, runtime.list()).await.unwrap_or_else(|_| late())
                }
            };
            (kind, listed)
        });
        let mut all = Holdings::default();
        for (kind, listed) in futures_util::future::join_all(asked).await {
            match listed {
                Ok(found) => all.found.extend(found.into_iter().map(|one| (kind, one))),
                Err(error) => all.away.push((kind, error)),
            }
        }
        all
    }

    /// Removes one of which it is not known who holds it. One that is away is not waited for: what it holds without a record is removed
    /// when it is back.
    pub(crate) async fn remove_anywhere(&self, id: &SandboxId) -> Result<(), RuntimeError> {
        for runtime in self.each() {
            match runtime.remove(id).await {
                Err(RuntimeError::Unavailable(_)) if runtime.kind() != RuntimeKind::Native => {}
                other => other?,
            }
        }
        Ok(())
    }
}

fn missing(kind: RuntimeKind) -> String {
    match kind {
        RuntimeKind::Native => "the runtime 'native' is not set up here".to_owned(),
        RuntimeKind::Docker | RuntimeKind::Gvisor => format!(
            "the runtime '{kind}' needs Docker, which was not found when Atoll was started: install it, or say where it is with \
             dockerHost (DOCKER_HOST), and start Atoll again"
        ),
    }
}

/// A failure of a runtime. One that somebody else runs may be away for long, and was believed to be there a moment ago; the native one is a
/// part of Atoll, and back in a moment.
pub(crate) fn lost(kind: RuntimeKind, error: RuntimeError) -> EngineError {
    match (kind, error) {
        (RuntimeKind::Docker | RuntimeKind::Gvisor, RuntimeError::Unavailable(why)) => {
            EngineError::new(ErrorCode::RuntimeUnavailable, away(kind, &why))
        }
        (_, error) => error.into(),
    }
}

fn away(kind: RuntimeKind, why: &str) -> String {
    format!("the runtime '{kind}' is not available: {why}")
}

fn no_gpus(why: &str) -> EngineError {
    EngineError::new(ErrorCode::GpuUnavailable, format!("there are no GPUs for sandboxes here: {why}"))
}

impl Engine {
    /// Whether the runtime that is asked for is there, and can do what is asked for. Nothing else takes its place.
    ///
    /// # Errors
    /// `runtime_unavailable`, `gpu_unavailable`, or `invalid_request` with the field that it cannot do.
    pub(crate) async fn check_runtime(&self, spec: &SandboxSpec) -> Result<(), EngineError> {
        let kind = spec.runtime;
        let unavailable = |why: String| EngineError::new(ErrorCode::RuntimeUnavailable, why);
        let runtime = self.inner.ports.runtimes.of(kind).map_err(|_| unavailable(missing(kind)))?;
        let can = runtime.abilities();
        let wants = [
            (
                !can.host_image && spec.source == ImageSource::Host,
                "image",
                "must be an imported image, not 'host'",
            ),
            (!can.bandwidth && spec.limits.bandwidth_mbit != 0, "bandwidth", "must be 0"),
            (
                !can.no_capabilities && spec.capabilities == Capabilities::None,
                "capabilities",
                "must be 'standard'",
            ),
            (!can.gpus && !spec.gpus.is_none(), "gpus", "must be 'none'"),
        ];
        if let Some((_, field, must)) = wants.into_iter().find(|(beyond, ..)| *beyond) {
            return Err(EngineError::field(field, format!("{must} with the runtime '{kind}'")));
        }
        // The native one is always there but for moments, through which a create waits.
        if kind != RuntimeKind::Native {
            let info = runtime.info().await;
            if !info.available {
                let why = info.notes.into_iter().next().unwrap_or_default();
                return Err(unavailable(away(kind, &why)));
            }
            if let (Some(why), false) = (info.no_gpus, spec.gpus.is_none()) {
                return Err(no_gpus(&why));
            }
            if let (Some(why), true) = (info.no_networks, spec.network != Network::None) {
                let text = format!("must be 'none' with the runtime '{kind}' here: {why}");
                return Err(EngineError::field("network", text));
            }
        }
        Ok(())
    }

    /// Whether a limit of the disk that was asked for can hold. Only the default one does not need to, which is declared.
    ///
    /// # Errors
    /// `invalid_request` where it cannot.
    pub(crate) async fn check_disk_limit(&self, kind: RuntimeKind) -> Result<(), EngineError> {
        // Where it is missing, that is said, and first.
        let Ok(runtime) = self.inner.ports.runtimes.of(kind) else { return Ok(()) };
        if kind == RuntimeKind::Native {
            return Ok(());
        }
        let info = runtime.info().await;
        if info.available && !info.disk_limits {
            let text = format!(
                "must be left out with the runtime '{kind}' here, whose storage driver limits no sandbox's disk"
            );
            return Err(EngineError::field("disk", text));
        }
        Ok(())
    }

    /// The runtime of a sandbox that is there.
    pub(crate) fn runtime_of(&self, id: &SandboxId) -> Result<&dyn Runtime, RuntimeError> {
        let record = self.inner.records.get(id);
        self.inner.ports.runtimes.of(record.map_or(RuntimeKind::Native, |record| record.spec.runtime))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_runtime_that_somebody_else_runs_it_is_said_that_it_is_away() {
        let gone = || RuntimeError::Unavailable("gone".to_owned());
        for kind in [RuntimeKind::Docker, RuntimeKind::Gvisor] {
            assert_eq!(lost(kind, gone()).code, ErrorCode::RuntimeUnavailable);
            assert_eq!(lost(kind, RuntimeError::DiskFull).code, ErrorCode::DiskFull);
        }
        assert_eq!(lost(RuntimeKind::Native, gone()).code, ErrorCode::Unavailable);
    }
}
