//! Use-cases, crash-safe operations and reconcilers; knows only ports.
//!
//! Three things are stored of a sandbox: what was asked (desired), what was last seen (observed), and the operation under
//! way; a fourth is shown, and computed. Requests change desired and begin an operation; operations are steps that may
//! be repeated and undone; what happened without being asked is reconciled. See `docs/lifecycle.md`.

mod account;
mod activity;
mod audit;
mod counters;
mod doctor;
mod drivers;
mod engine;
mod environment;
mod error;
mod events;
mod exec;
mod files;
mod health;
mod health_check;
mod history;
mod idempotency;
mod image;
mod image_build;
mod image_pull;
mod image_push;
mod job;
mod log;
mod metrics;
mod operation;
mod pool;
mod public_session;
mod publish;
mod quota;
mod reconcile;
mod records;
mod runtimes;
mod sandbox;
mod secret;
mod terminal;
mod timers;
mod views;

pub use audit::AuditRequest;
pub use counters::{SessionRefusal, count_session_command_refused, describe_metrics};
pub use doctor::{DoctorFinding, DoctorView};
pub use engine::{Engine, Ports};
pub use environment::Base;
pub use error::{EngineError, FieldProblem};
pub use events::{Event, EventFeed};
pub use files::SandboxFiles;
pub use health_check::{HealthState, LastCheck};
pub use history::{Resolution, UsagePoint};
pub use idempotency::{Refusal, Repeatable};
pub use image_build::BUILD_TIME_MAX;
pub use public_session::{SessionHolder, SessionSettings, holder_of};
pub use quota::{QuotaView, UsageView, Used};
pub use runtimes::Runtimes;
pub use sandbox::{Bulk, BulkOutcome};
pub use secret::Rotated;
pub use terminal::{NewTerminal, Resume, TerminalView};
pub use views::{
    Caller, CountsView, ExecEvents, ExecView, HealthView, Invite, JobView, KeyHolder, LogLineView, LogLines,
    LogQuery, LogView, Means, MetricsView, NewApiKey, NewExec, NewInvitation, NewSandbox, SandboxView,
    Settings, UserEdit, Visitor,
};
