//! Words of Atoll: ids, states, specs, limits, validated inputs and error codes.
//!
//! This is the bottom of the house: no I/O, no async, no SQL, no HTTP. Text from outside becomes one of these
//! types once, at the edge, and is never checked again inside.

mod address;
mod audit;
mod command;
mod environment;
mod error_code;
mod exec;
mod file;
mod gpu;
mod health;
mod id;
mod idempotency;
mod image;
mod image_builds;
mod image_config;
mod image_reference;
mod input;
mod job;
mod limits;
mod pool;
mod port;
mod quota;
mod sandbox;
mod scope;
mod secret;
mod terminal;
mod time;
mod usage;

pub use address::client_network;
pub use audit::{AuditActor, AuditEntry, AuditOutcome};
pub use command::{Command, CommandError, EnvVars, GuestPath, GuestUser};
pub use environment::{EnvironmentName, EnvironmentRef, SandboxTemplate};
pub use error_code::ErrorCode;
pub use exec::{ExecEvent, ExecEventKind, ExecExit, ExecKind, ExecSpec, ExecStatus, OutputStream, Signal};
pub use file::{FileKind, FileMode, FilePath};
pub use gpu::{GpuId, Gpus};
pub use health::{Health, HealthCheck};
pub use id::{
    AgentSocketId, ApiKeyId, AuditId, ClassLinkId, EnvironmentId, ExecId, IdError, InstallationId,
    InvitationId, JobId, NodeId, OperationId, SandboxId, SessionId, UserId,
};
pub use idempotency::IdempotencyKey;
pub use image::{ImageDigest, ImageName, ImageSource};
pub use image_builds::ImageBuilds;
pub use image_config::{ExposedPort, ImageConfig, ImageHealthCheck};
pub use image_reference::ImageReference;
pub use input::{Email, InputError, Label, Labels, SandboxName};
pub use job::{Backoff, JobDesired, JobEnd, JobName, JobPhase, JobSpec, JobStatus, RestartPolicy};
pub use limits::{Limits, bounds};
pub use pool::{BadPoolSize, PoolSize};
pub use port::{PublishPort, PublishedPort};
pub use quota::{Quota, QuotaOverride};
pub use sandbox::{
    Capabilities, Desired, Isolation, Network, Observed, OnExpiry, OperationKind, RuntimeChoice, RuntimeKind,
    SandboxSpec, Status, StopReason,
};
pub use scope::{Scope, ScopeError, Scopes};
pub use secret::{SecretName, SecretValue};
pub use terminal::{TerminalKind, TerminalName, TerminalSize};
pub use time::{BootTime, Timestamp};
pub use usage::Usage;
