//! What goes into use-cases and what comes out of them.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use atoll_ports::{
    ApiKeyRecord, ExecRecord, InvitationRecord, JobRecord, Role, RuntimeInfo, SandboxRecord, Usage,
};
use atoll_types::{
    Capabilities, Command, Email, EnvVars, EnvironmentRef, ExecEvent, ExecSpec, Gpus, GuestPath, GuestUser,
    HealthCheck, ImageBuilds, ImageName, ImageSource, JobStatus, Labels, Limits, Network, NodeId, OnExpiry,
    OutputStream, PoolSize, PublishPort, Quota, RuntimeKind, SandboxName, Scopes, SessionId, Status,
    Timestamp, UserId,
};
use bytes::Bytes;
use tokio_stream::Stream;

use crate::{EngineError, HealthState, SessionSettings};

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This machine.
    pub node: NodeId,
    /// Image of sandboxes that name none.
    pub default_image: ImageName,
    /// Idle time of sandboxes that name none; zero: never.
    pub idle_ttl: Duration,
    /// What a user may have, who was given nothing of his own.
    pub quota: Quota,
    /// Commands that are started in one sandbox in an hour.
    pub sandbox_execs_per_hour: u64,
    /// Whether anybody may make an account; else only while there is none.
    pub signup_open: bool,
    /// Time without a refresh after which a log-in is over.
    pub session_ttl: Duration,
    /// Whether execs answer at once unless the request says otherwise.
    pub async_exec: bool,
    /// Age at which ended execs and their logs are removed.
    pub exec_retention: Duration,
    /// Bytes that the files of one image may take.
    pub image_bytes_max: u64,
    /// Who may build images.
    pub image_builds: ImageBuilds,
    /// How long a build may take.
    pub image_build_time: Duration,
    /// Sandboxes as a request that says nothing wants them that are kept ready.
    pub warm_pool: PoolSize,
    /// Sandboxes that are kept ready for environments, of all users together, at most.
    pub warm_pool_max: u32,
    /// Age at which entries of the audit log are removed.
    pub audit_retention: Duration,
    /// Entries of the audit log that are kept at most.
    pub audit_entries_max: u64,
    /// Whether what sandboxes use is kept over time, and what they send is counted.
    pub keeps_history: bool,
    /// Whether execs are counted by sandbox and command, in place of all together.
    pub per_sandbox_metrics: bool,
    /// Public sessions, where there are any.
    pub sessions: Option<SessionSettings>,
}

impl Settings {
    /// The defaults that `docs/configuration.md` lists.
    #[must_use]
    pub fn defaults(node: NodeId) -> Self {
        #[expect(clippy::expect_used, reason = "a constant")]
        let default_image = ImageName::HOST.parse().expect("a valid name");
        Self {
            node,
            default_image,
            idle_ttl: Duration::from_secs(15 * 60),
            quota: Quota::default(),
            sandbox_execs_per_hour: 3_600,
            signup_open: true,
            session_ttl: Duration::from_secs(30 * 86_400),
            async_exec: false,
            exec_retention: Duration::from_secs(24 * 3600),
            image_bytes_max: 20 << 30,
            image_builds: ImageBuilds::default(),
            image_build_time: Duration::from_secs(30 * 60),
            warm_pool: PoolSize::default(),
            warm_pool_max: 16,
            audit_retention: Duration::from_secs(90 * 86_400),
            audit_entries_max: 2_000_000,
            keeps_history: true,
            per_sandbox_metrics: false,
            sessions: None,
        }
    }
}

/// Who asks. Only authentication makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// What he may do.
    pub role: Role,
}

/// Whose key it is, and what it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    /// Its owner; no admin where the key has not that scope.
    pub caller: Caller,
    /// What it may.
    pub scopes: Scopes,
    /// What is taken back when it is deleted.
    pub means: Means,
}

/// By what somebody was let in, who is served for longer than a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Means {
    /// A token of this log-in.
    LogIn(SessionId),
    /// An API key, by its hash.
    Key([u8; 32]),
    /// What nobody takes back.
    Nothing,
}

impl std::fmt::Debug for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LogIn(_) => "LogIn",
            Self::Key(_) => "Key",
            Self::Nothing => "Nothing",
        })
    }
}

/// A client, as people see it in the list of log-ins.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Where it is.
    pub address: IpAddr,
    /// What it says that it is.
    pub agent: String,
}

/// What an admin changes of an account; what is absent stays.
#[derive(Clone, Default)]
pub struct UserEdit {
    /// Role.
    pub role: Option<Role>,
    /// Whether nobody logs in to it.
    pub disabled: Option<bool>,
    /// A new password.
    pub password: Option<String>,
}

impl std::fmt::Debug for UserEdit {
    /// Never shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { role, disabled, .. } = self;
        f.debug_struct("UserEdit").field("role", role).field("disabled", disabled).finish_non_exhaustive()
    }
}

/// An invitation to make.
#[derive(Debug, Clone)]
pub struct Invite {
    /// The only address that it is good for.
    pub email: Option<Email>,
    /// Role of the account.
    pub role: Role,
    /// How long it is good.
    pub expires_in: Duration,
}

/// An invitation that was made.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// What is kept.
    pub record: InvitationRecord,
    /// The invitation, shown this once.
    pub secret: String,
}

/// A sandbox to make.
#[derive(Debug, Clone)]
pub struct NewSandbox {
    /// Name.
    pub name: Option<SandboxName>,
    /// Image; the default when absent.
    pub image: Option<ImageName>,
    /// What isolates it.
    pub runtime: RuntimeKind,
    /// What it may use.
    pub limits: Limits,
    /// What it may reach.
    pub network: Network,
    /// GPUs of the host that it is given.
    pub gpus: Gpus,
    /// Variables of every process.
    pub env: EnvVars,
    /// What is run with the command as its arguments; may be empty.
    pub entrypoint: Vec<String>,
    /// Main process, or the arguments of the entry point.
    pub command: Option<Command>,
    /// Where processes begin; the user's home when absent.
    pub cwd: Option<GuestPath>,
    /// User of execs; `agent` when absent.
    pub user: Option<GuestUser>,
    /// Capabilities inside.
    pub capabilities: Capabilities,
    /// Whether the root is read-only.
    pub read_only_root: bool,
    /// Labels.
    pub labels: Labels,
    /// Life time.
    pub ttl_seconds: Option<u64>,
    /// What its end does.
    pub on_expiry: OnExpiry,
    /// Idle time; the default when absent; 0: never.
    pub idle_seconds: Option<u64>,
    /// Ports to publish, no port inside twice, at most [`atoll_types::bounds::PORTS_MAX`].
    pub ports: Vec<PublishPort>,
    /// What the image's name stands for, where that is not to be looked up.
    pub source: Option<ImageSource>,
    /// The environment that it is made of.
    pub environment: Option<EnvironmentRef>,
    /// What tells whether it works; one without a command: nothing.
    pub health_check: Option<HealthCheck>,
}

/// A sandbox as it is shown.
#[derive(Debug, Clone)]
pub struct SandboxView {
    /// Its record.
    pub record: SandboxRecord,
    /// Its computed state.
    pub status: Status,
    /// When its life ends, as the clocks stand now.
    pub expires_at: Option<Timestamp>,
    /// How it is, as its health check tells.
    pub health: HealthState,
}

/// An exec to start.
#[derive(Debug, Clone)]
pub struct NewExec {
    /// What to run and how.
    pub spec: ExecSpec,
    /// Standard input to begin with, at most [`atoll_types::bounds::STDIN_BYTES_MAX`].
    pub stdin: Bytes,
}

/// An exec as it is shown. `stdout` and `stderr` are empty where only its state was asked for.
#[derive(Debug, Clone)]
pub struct ExecView {
    /// Its record.
    pub record: ExecRecord,
    /// What it wrote, at most 1 MiB: the end of it when there was more.
    pub stdout: Vec<u8>,
    /// What it wrote, at most 1 MiB: the end of it when there was more.
    pub stderr: Vec<u8>,
    /// Whether `stdout` or `stderr` are not whole.
    pub truncated: bool,
}

/// Events of an exec from the number asked for, without gaps, ending after the exit. A lost exec has no exit event:
/// its stream ends after what was logged, and its record says `lost`.
pub type ExecEvents = Pin<Box<dyn Stream<Item = Result<ExecEvent, EngineError>> + Send>>;

/// A background job as it is shown.
#[derive(Debug, Clone)]
pub struct JobView {
    /// Its record.
    pub record: JobRecord,
    /// Its computed state.
    pub status: JobStatus,
    /// Number of the process of its run inside, where it runs and the agent tells.
    pub pid: Option<u32>,
}

/// An API key that was just made: the only time that it is known.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its record.
    pub record: ApiKeyRecord,
    /// The key, `sk_…`.
    pub key: String,
}

/// Which lines of a log.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// At most so many, the last ones.
    pub tail: Option<u32>,
    /// Only lines from this moment on.
    pub since: Option<Timestamp>,
    /// Only lines that ended after the event of this number.
    pub after_seq: Option<u64>,
}

/// Lines of a log as they come.
pub type LogLines = Pin<Box<dyn Stream<Item = Result<LogLineView, EngineError>> + Send>>;

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLineView {
    /// Number of the event that ended it.
    pub seq: u64,
    /// When its first byte came.
    pub time: Timestamp,
    /// Which stream.
    pub stream: OutputStream,
    /// The line without its end, at most 64 KiB.
    pub line: Vec<u8>,
}

/// A piece of a log.
#[derive(Debug, Clone)]
pub struct LogView {
    /// Oldest first.
    pub lines: Vec<LogLineView>,
    /// Whether older lines were dropped or not asked for.
    pub truncated: bool,
}

/// What a sandbox uses.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsView {
    /// CPU time of the last window, in percent of one core.
    pub cpu_percent: f64,
    /// The part of it that the kernel ran for the sandbox.
    pub system_percent: f64,
    /// Counters since it came up.
    pub usage: Usage,
    /// What it may use.
    pub limits: Limits,
}

/// How many there are of what there is, for monitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountsView {
    /// Sandboxes that run.
    pub sandboxes_running: u64,
    /// Sandboxes in any state.
    pub sandboxes: u64,
    /// Public sessions.
    pub sessions: u64,
    /// Accounts.
    pub users: u64,
    /// Environments.
    pub environments: u64,
}

/// How Atoll is.
#[derive(Debug, Clone)]
pub struct HealthView {
    /// `None` when the database answers, else why not.
    pub database_problem: Option<String>,
    /// Running sandboxes.
    pub running: u64,
    /// The runtimes.
    pub runtimes: Vec<RuntimeInfo>,
}
