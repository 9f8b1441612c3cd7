//! Making sessions.

use atoll_ports::AuditScope;
use atoll_types::{
    Capabilities, EnvVars, ErrorCode, Label, Labels, Limits, Network, OnExpiry, Quota, UserId,
};

use super::{SessionHolder, SessionSettings, isolation};
use crate::counters::SessionRefusal;
use crate::{Engine, EngineError, NewSandbox, SandboxView};

/// Label of a session: who holds it.
pub(super) const HOLDER: &str = "atoll.session.holder";
/// Label of a session: its place among those of its holder.
pub(super) const TICKET: &str = "atoll.session.ticket";

/// Its home: with a read-only root, the folder that every runtime has in memory.
const HOME: &str = "/tmp";

/// CPU of a session, in thousandths of a core: a shell and a small tool.
const CPU_MILLIS: u32 = 500;
/// Its memory, in bytes: the same, thirty of them in 4 GiB.
const MEMORY_BYTES: u64 = 128 << 20;
/// Its processes: a pipeline and its tools, no fork bomb.
const PIDS: u32 = 64;
/// Open files of each of its processes, the agent's too, which needs some twenty for a terminal.
const OPEN_FILES: u64 = 256;
/// Its disk, in bytes: as much as its memory, since nothing of it outlives half an hour.
const DISK_BYTES: u64 = 128 << 20;

impl Engine {
    /// Makes a public session; returns when it runs.
    ///
    /// # Errors
    /// `sessions_disabled`; `sessions_unavailable` without a runtime that is good enough; `too_many_sessions` of this holder or of all;
    /// as [`Engine::sandbox_create`].
    pub async fn public_session_create(&self, holder: SessionHolder) -> Result<SandboxView, EngineError> {
        let settings = self.session_settings()?.clone();
        let engine = self.clone();
        let work = async move { engine.make_session(&settings, &holder).await };
        // Its place is held until its record is there, whoever still waits.
        self.inner.operations.run_detached("create session", AuditScope::carry(work)).await?
    }

    async fn make_session(
        &self,
        settings: &SessionSettings,
        holder: &SessionHolder,
    ) -> Result<SandboxView, EngineError> {
        let runtime = isolation::choose(&self.health().await.runtimes, settings.allow_native);
        let runtime = runtime.inspect_err(|_| SessionRefusal::Runtime.count())?;
        let caller = self.sessions_caller().await?;
        AuditScope::by(&caller.user);
        AuditScope::detail("holder", holder.name.to_string());
        let place = self.hold_place(holder)?;
        let new = NewSandbox {
            image: settings.image.clone(),
            runtime,
            limits: limits(),
            network: Network::None,
            capabilities: Capabilities::None,
            // What it writes is in memory, and goes with it.
            read_only_root: true,
            env: EnvVars::new([("HOME".to_owned(), HOME.to_owned())].into()).map_err(defect)?,
            cwd: Some(HOME.parse().map_err(defect)?),
            labels: labels(holder, &place.ticket)?,
            ttl_seconds: Some(settings.life.as_secs()),
            on_expiry: OnExpiry::Delete,
            idle_seconds: Some(settings.idle.as_secs()),
            ..NewSandbox::usual()
        };
        let made = self.sandbox_create(&caller, new).await.map_err(for_strangers)?;
        metrics::counter!(crate::counters::SESSIONS_CREATED).increment(1);
        Ok(made)
    }

    pub(super) fn session_settings(&self) -> Result<&SessionSettings, EngineError> {
        let text =
            "there are no public sessions here: the operator has not turned them on (sessions.enabled)";
        let disabled = || EngineError::new(ErrorCode::SessionsDisabled, text);
        self.inner.settings.sessions.as_ref().ok_or_else(disabled)
    }

    /// What all sessions may have together: their number bounds the rest.
    pub(crate) fn sessions_quota(&self, user: &UserId) -> Option<Quota> {
        if self.inner.public_sessions.account.get() != Some(user) {
            return None;
        }
        let sandboxes = self.inner.settings.sessions.as_ref().map_or(0, |s| u64::from(s.sessions_max));
        Some(Quota {
            sandboxes,
            cpu_millis: u64::MAX,
            memory_bytes: u64::MAX,
            storage_bytes: u64::MAX,
            egress_bytes: u64::MAX,
            execs_per_hour: 0,
        })
    }
}

/// What the quota of the account says is not the business of who asks, nor what the operator asks of a runtime.
fn for_strangers(error: EngineError) -> EngineError {
    match error.code {
        ErrorCode::QuotaExceeded => {
            SessionRefusal::All.count();
            let text = "there are as many sessions as this server has room for: try again in a minute";
            EngineError::new(ErrorCode::TooManySessions, text)
        }
        ErrorCode::InvalidRequest => {
            SessionRefusal::Runtime.count();
            let text = "the image of sessions does not fit their runtime here: the operator sets it with sessions.image";
            EngineError::new(ErrorCode::SessionsUnavailable, text).because(error)
        }
        _ => error,
    }
}

fn limits() -> Limits {
    Limits {
        memory_bytes: MEMORY_BYTES,
        cpu_millis: CPU_MILLIS,
        pids: PIDS,
        disk_bytes: DISK_BYTES,
        open_files: OPEN_FILES,
        bandwidth_mbit: 0,
    }
}

fn defect(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> EngineError {
    EngineError::new(ErrorCode::Internal, "a defect of Atoll").because(error)
}

fn labels(holder: &SessionHolder, ticket: &str) -> Result<Labels, EngineError> {
    let label = |text: &str| text.parse::<Label>().map_err(defect);
    Ok(Labels::from([(label(HOLDER)?, holder.name.clone()), (label(TICKET)?, label(ticket)?)]))
}
