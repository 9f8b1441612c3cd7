//! Records as the store keeps them.

use atoll_types::{
    ApiKeyId, BootTime, Desired, Email, ExecExit, ExecId, ExecKind, ExecSpec, ExecStatus, ImageConfig,
    ImageDigest, ImageName, JobDesired, JobEnd, JobId, JobPhase, JobSpec, NodeId, Observed, OperationId,
    OperationKind, PublishedPort, SandboxId, SandboxSpec, SandboxTemplate, Scopes, StopReason, Timestamp,
    UserId,
};

/// What a user may do beyond his own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Only his own.
    User,
    /// Everything of this installation.
    Admin,
}

/// An account. Durable: nothing else knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Id.
    pub id: UserId,
    /// Address; unique.
    pub email: Email,
    /// argon2id in PHC form.
    pub password_hash: String,
    /// Role.
    pub role: Role,
    /// Since when nobody logs in to it.
    pub disabled_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An API key. Durable: nothing else knows it. The key itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Id.
    pub id: ApiKeyId,
    /// Whose.
    pub owner: UserId,
    /// Name for people.
    pub name: String,
    /// SHA-256 of the key: it has 160 random bits, so a slow hash adds nothing.
    pub hash: [u8; 32],
    /// First characters of the key, to recognise it.
    pub prefix: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// Last use, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// What it may do.
    pub scopes: Scopes,
}

/// An image. Durable: the name is known nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// Name; unique.
    pub name: ImageName,
    /// Content.
    pub digest: ImageDigest,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// What its sandboxes are where nothing else says: as an image's own configuration, only what is about processes.
    pub template: SandboxTemplate,
    /// What the image said of itself when it was imported.
    pub config: Option<ImageConfig>,
    /// Who imported it.
    pub owner: UserId,
    /// When.
    pub created_at: Timestamp,
}

/// Crash-safe work under way on a sandbox: at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRecord {
    /// Id.
    pub id: OperationId,
    /// What is done.
    pub kind: OperationKind,
    /// Steps that are known to be done; the next one may be done in part.
    pub step: u32,
    /// Times it was taken up again after a crash or a failure.
    pub attempts: u32,
    /// When it began.
    pub started_at: Timestamp,
}

/// The life time of a sandbox, counted on the boot clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetime {
    /// Boot in which `deadline` means something.
    pub boot_id: String,
    /// When it is over.
    pub deadline: BootTime,
    /// What was left when this was last written: after a reboot it counts on from here.
    pub left_ms: u64,
}

/// A sandbox. Durable: what was asked is known nowhere else; `observed` saves the first look after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxRecord {
    /// Id.
    pub id: SandboxId,
    /// Whose.
    pub owner: UserId,
    /// On which machine.
    pub node: NodeId,
    /// Its range of host uids: unique per node, given by the store on insert.
    pub uid_slot: u32,
    /// What it is; never changes.
    pub spec: SandboxSpec,
    /// What was asked.
    pub desired: Desired,
    /// What was last seen.
    pub observed: Observed,
    /// Work under way.
    pub operation: Option<OperationRecord>,
    /// Why it stops or stopped.
    pub stop_reason: Option<StopReason>,
    /// Why the last operation failed, for people.
    pub failure: Option<String>,
    /// Its life time.
    pub lifetime: Option<Lifetime>,
    /// Grows by one with every write; a write names the one it read.
    pub generation: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last came up.
    pub started_at: Option<Timestamp>,
    /// In which boot of its host: in another one it cannot run any more.
    pub boot_id: Option<String>,
    /// The ports of the host that it was last given, which it is given again where they are free.
    pub host_ports: Vec<PublishedPort>,
}

/// An exec. Durable: its result is acknowledged to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRecord {
    /// Id.
    pub id: ExecId,
    /// Where it runs.
    pub sandbox: SandboxId,
    /// Why it runs.
    pub kind: ExecKind,
    /// What was asked (without the bytes of standard input).
    pub spec: ExecSpec,
    /// Where it stands.
    pub status: ExecStatus,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// How it ended.
    pub outcome: Option<ExecOutcome>,
}

/// How an exec ended, and where its events end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutcome {
    /// One of the ended states.
    pub status: ExecStatus,
    /// The exit, unless it was lost or never started.
    pub exit: Option<ExecExit>,
    /// Number of the last event: the exit's, or the last that was logged of a lost one.
    pub last_seq: u64,
    /// When it ended.
    pub finished_at: Timestamp,
    /// From its start to its end, in milliseconds, measured here.
    pub duration_ms: u64,
    /// Whether older output was dropped because of the bound of the log.
    pub truncated: bool,
    /// Why it failed or was lost, for people.
    pub failure: Option<String>,
}

/// A background job. Durable: what was asked is known nowhere else; the rest is what a crash must not forget, so that no run
/// is begun twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Id.
    pub id: JobId,
    /// Where it runs.
    pub sandbox: SandboxId,
    /// What it is; never changes.
    pub spec: JobSpec,
    /// What was asked.
    pub desired: JobDesired,
    /// Where it stands.
    pub phase: JobPhase,
    /// When the sandbox had come up in which the last run was begun: tells whether it went down since.
    pub sandbox_started_at: Timestamp,
    /// Runs that were begun.
    pub starts: u64,
    /// Restarts in a row, none of whose runs lasted.
    pub retries: u32,
    /// The last runs, newest last, at most [`atoll_types::bounds::JOB_RUNS_MAX`] and never none. Each id is written down
    /// before its run is begun.
    pub runs: Vec<ExecId>,
    /// How the last run that ended did.
    pub last_end: Option<JobEnd>,
    /// Grows by one with every write; a write names the one it read.
    pub generation: u64,
    /// When it was made.
    pub created_at: Timestamp,
}
