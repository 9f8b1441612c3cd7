//! What isolates sandboxes.

use std::num::NonZeroU16;

use async_trait::async_trait;
use atoll_types::{RuntimeKind, SandboxId, SandboxSpec};
use tokio::sync::broadcast;

pub use atoll_types::Usage;

use crate::{Connection, DialError};

/// A sandbox to start.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// Id.
    pub sandbox: SandboxId,
    /// Range of host uids.
    pub uid_slot: u32,
    /// What it is.
    pub spec: SandboxSpec,
}

/// A sandbox that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Whether its files had not been closed properly before, as after a crash of the host.
    pub dirty: bool,
}

/// A sandbox as the runtime really holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSandbox {
    /// Id.
    pub sandbox: SandboxId,
    /// Whether its agent lives; else only files or remains are there.
    pub running: bool,
    /// Whether everything but its agent is frozen.
    pub paused: bool,
}

/// What happened without being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// The agent of a sandbox ended.
    Exited(SandboxId),
    /// The connection to the runtime was lost and is back: events may be missing, so look at everything.
    Reconnected,
}

/// What a runtime is and can do, for `/health` and `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// Which.
    pub kind: RuntimeKind,
    /// Whether it can start sandboxes now.
    pub available: bool,
    /// Why not, or what is missing here, for people.
    pub notes: Vec<String>,
    /// Whether disk limits hold.
    pub disk_limits: bool,
    /// Why its sandboxes can have no network other than none here, for people; none where they can.
    pub no_networks: Option<String>,
    /// Why its sandboxes can have no GPUs here, for people; none where they may be asked for.
    pub no_gpus: Option<String>,
}

/// What a runtime can do by its nature; what it cannot is refused before anything is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Sandboxes of the image `host`.
    pub host_image: bool,
    /// Limits of what a network carries.
    pub bandwidth: bool,
    /// Sandboxes without any capability.
    pub no_capabilities: bool,
    /// GPUs of the host.
    pub gpus: bool,
}

impl Abilities {
    /// What Atoll's own runtime can: everything but GPUs.
    pub const OWN: Self = Self { host_image: true, bandwidth: true, no_capabilities: true, gpus: false };
}

/// Room of the storage that sandboxes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageInfo {
    /// Bytes that can still be used.
    pub free_bytes: u64,
    /// Size in bytes.
    pub total_bytes: u64,
    /// Whether creates are refused.
    pub full: bool,
}

/// Why a runtime could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// Its storage has no room; nothing was made.
    #[error("the disk for sandboxes is nearly full: delete sandboxes or images, or enlarge it")]
    DiskFull,
    /// The image's files are not there.
    #[error("the files of the image are not on this node: import it again")]
    ImageMissing,
    /// It refused the request as beyond its bounds.
    #[error("the runtime refused: {0}")]
    Refused(String),
    /// It has not the GPUs that were asked for; nothing was made.
    #[error("{0}")]
    NoGpus(String),
    /// It is not there now; the same call may go through later.
    #[error("the runtime does not answer: {0}")]
    Unavailable(String),
    /// It failed; remains are removed by `remove`.
    #[error("{0}")]
    Failed(String),
}

/// What isolates sandboxes. Every call is idempotent, and may be repeated after any failure. Dropping a call does not stop
/// what it began.
#[async_trait]
pub trait Runtime: std::fmt::Debug + Send + Sync {
    /// Which it is.
    fn kind(&self) -> RuntimeKind;
    /// What it can do by its nature.
    fn abilities(&self) -> Abilities {
        Abilities::OWN
    }
    /// What it is and can do.
    async fn info(&self) -> RuntimeInfo;
    /// Makes the sandbox's files where they are missing, and starts it; its agent can be called when this returns.
    async fn start(&self, request: &StartRequest) -> Result<Started, RuntimeError>;
    /// Ends every process; keeps the files. Never needs the guest.
    async fn stop(&self, sandbox: &SandboxId) -> Result<(), RuntimeError>;
    /// Ends every process and removes everything.
    async fn remove(&self, sandbox: &SandboxId) -> Result<(), RuntimeError>;
    /// Everything of this installation that is really there.
    async fn list(&self) -> Result<Vec<FoundSandbox>, RuntimeError>;
    /// Room of its storage.
    async fn storage(&self) -> Result<StorageInfo, RuntimeError>;
    /// What happens from now on. A receiver that lags sees `RecvError::Lagged` and should look at everything.
    fn events(&self) -> broadcast::Receiver<RuntimeEvent>;
    /// Freezes everything in a sandbox that runs, but for its agent; nothing runs there any more when this returns. After
    /// a failure it runs on.
    async fn pause(&self, sandbox: &SandboxId) -> Result<(), RuntimeError>;
    /// Lets a paused sandbox go on.
    async fn resume(&self, sandbox: &SandboxId) -> Result<(), RuntimeError>;
    /// What a running sandbox uses.
    async fn usage(&self, sandbox: &SandboxId) -> Result<Usage, RuntimeError>;
    /// Connects to a TCP port of the loopback interface inside a running sandbox, in bounded time.
    async fn dial(&self, sandbox: &SandboxId, port: NonZeroU16) -> Result<Connection, DialError>;
}
