//! What every handler is given.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use atoll_engine::Engine;
use atoll_tasks::CancellationToken;
use atoll_types::ErrorCode;
use tokio::sync::{Semaphore, watch};

use crate::access::Access;
use crate::answer::ApiFailure;
use crate::bounds::{CREDENTIAL_CHECKS_MAX, STREAMS_MAX};
use crate::limit::Limits;
use crate::observability::Observability;
use crate::public_sessions::Sessions;

/// What the operator decided about the API.
#[derive(Debug)]
pub struct ApiSettings {
    /// Who is let in.
    pub access: Access,
    /// Whether execs answer at once unless the request says otherwise.
    pub async_exec: bool,
    /// Bytes that an uploaded archive may have.
    pub archive_bytes_max: u64,
    /// Folder for uploads under way, open: files in it have no name.
    pub spool: OwnedFd,
    /// What monitors are told, and where requests are noted.
    pub observability: Observability,
    /// Becomes true after the first reconcile.
    pub ready: watch::Receiver<bool>,
    /// Cancelled when serve stops: streams say so and close.
    pub stopping: CancellationToken,
}

/// Handle of the API's state. A cheap clone.
#[derive(Debug, Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    engine: Engine,
    settings: ApiSettings,
    started: Instant,
    credential_checks: Semaphore,
    streams: Arc<Semaphore>,
    limits: Limits,
    sessions: Option<Sessions>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Api {
    /// Over an engine.
    #[must_use]
    pub fn new(engine: Engine, settings: ApiSettings) -> Self {
        Self(Arc::new(Inner {
            limits: Limits::new(settings.access.protection.limits),
            sessions: settings.access.protection.sessions.clone().map(Sessions::new),
            engine,
            settings,
            started: Instant::now(),
            credential_checks: Semaphore::new(CREDENTIAL_CHECKS_MAX),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn settings(&self) -> &ApiSettings {
        &self.0.settings
    }

    pub(crate) fn ready(&self) -> watch::Receiver<bool> {
        self.0.settings.ready.clone()
    }

    pub(crate) fn started(&self) -> Instant {
        self.0.started
    }

    pub(crate) fn credential_checks(&self) -> &Semaphore {
        &self.0.credential_checks
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Public sessions, where there are any.
    pub(crate) fn sessions(&self) -> Option<&Sessions> {
        self.0.sessions.as_ref()
    }

    /// The same, or what is answered where there are none.
    pub(crate) fn enabled_sessions(&self) -> Result<&Sessions, ApiFailure> {
        let text =
            "there are no public sessions here: the operator has not turned them on (sessions.enabled)";
        self.sessions().ok_or_else(|| ApiFailure::new(ErrorCode::SessionsDisabled, text))
    }

    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }
}
