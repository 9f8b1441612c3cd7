//! Bodies of the public API, with their schema.
//!
//! Shapes only: camelCase JSON, sizes in bytes where they are answers and in MiB where the documents' requests have
//! them, times in RFC 3339 UTC. The `http` crate turns requests into domain types, once, at the edge.

mod admin;
mod audit;
mod auth;
mod definition;
mod envelope;
mod environment;
mod exec;
mod file;
mod health;
mod health_check;
mod image;
mod job;
mod log;
mod metrics;
mod progress;
mod public_session;
mod sandbox;
mod secret;
mod terminal;
mod unique;
mod usage;

pub use admin::{
    AdminRuntime, AdminUser, ChangeUser, CreateInvitation, CreatedInvitation, DoctorFinding, DoctorReport,
    Invitation,
};
pub use audit::{AuditCheck, AuditEntry, Event};
pub use auth::{
    ApiKey, AuthData, ChangePassword, CreateApiKey, CreatedApiKey, Credentials, RefreshBody, Session, SignUp,
    User,
};
pub use definition::{CreateSandbox, Definition, EnvironmentBody, ReplicateSandbox, UpdateEnvironment};
pub use envelope::{Accepted, Deleted, Failure, FailureBody, FieldError, Listing, Success};
pub use environment::{Environment, EnvironmentChange, EnvironmentDiff, EnvironmentVersion, WarmPool};
pub use exec::{
    CommandBody, Encoding, EventKind, Exec, ExecBody, ExecEvent, ExecResizeBody, SignalBody, StdinBody,
};
pub use file::{ChangeFile, File, FileEvent, FileMatch, FileMatches, UnpackedArchive, WriteFile};
pub use health::{Health, Probe, RuntimeHealth};
pub use health_check::{HealthCheck, HealthResult};
pub use image::{
    BuildProgress, Image, ImageHealthCheck, PullImage, PullProgress, PushImage, PushProgress, PushedImage,
};
pub use job::{Job, JobBody, JobExit};
pub use log::{LogLine, Logs};
pub use metrics::{CpuMetrics, IoMetrics, MemoryMetrics, Metrics, NetworkMetrics, PidMetrics};
pub use progress::ProgressLine;
pub use public_session::{AdminSession, ClassLink, ClassLinkEntry, CreateClassLink, PublicSession};
pub use sandbox::{BulkFailure, BulkResult, CreatedSandboxes, Gpus, PublishPort, PublishedPort, Sandbox};
pub use secret::{RotatedMasterKey, Secret, SecretBody};
pub use terminal::{
    CHANNEL_CONTROL, CHANNEL_INPUT, CHANNEL_OUTPUT, ResizeBody, TERMINAL_PROTOCOL, Terminal, TerminalCommand,
    TerminalControl,
};
pub use usage::{MetricsHistory, MetricsPoint, QuotaBody, QuotaUse, Usage, UserQuota};
