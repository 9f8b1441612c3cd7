//! Records to test with: valid, and different each time where something must be unique.

#![expect(clippy::expect_used, reason = "constants of tests")]

use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use atoll_ports::{
    ApiKeyRecord, ClassLinkRecord, EnvironmentRecord, ExecOutcome, ExecRecord, ImageRecord, InvitationRecord,
    JobRecord, Role, SandboxRecord, SecretRecord, SessionRecord, UserRecord,
};
use atoll_types::{
    ApiKeyId, AuditActor, AuditEntry, AuditId, AuditOutcome, Backoff, Capabilities, ClassLinkId, Command,
    Desired, Email, EnvVars, EnvironmentId, ErrorCode, ExecExit, ExecId, ExecKind, ExecSpec, ExecStatus,
    Gpus, GuestUser, ImageConfig, ImageDigest, ImageName, ImageSource, InvitationId, JobDesired, JobId,
    JobPhase, JobSpec, Label, Labels, Limits, Network, NodeId, Observed, OnExpiry, RestartPolicy,
    RuntimeKind, SandboxId, SandboxSpec, SandboxTemplate, Scopes, SessionId, Timestamp, UserId,
};

/// Grows by one millisecond with each sample, so that their order is known.
static NOW_MS: AtomicI64 = AtomicI64::new(1_767_225_600_000);

/// A moment later than that of every sample before.
pub fn now() -> Timestamp {
    Timestamp::from_unix_ms(NOW_MS.fetch_add(1, Ordering::Relaxed))
}

/// From text that is known to be valid.
pub fn parse<T: FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a valid sample")
}

/// An entry of the audit log, with everything that one can have.
#[must_use]
pub fn audit_entry(node: &NodeId) -> AuditEntry {
    AuditEntry {
        id: AuditId::random(),
        node: node.clone(),
        at: Timestamp::from_unix_ms(1_000),
        actor: AuditActor::User,
        user: Some(UserId::random()),
        action: "sandbox.create".to_owned(),
        target: Some("box".to_owned()),
        outcome: AuditOutcome::Accepted,
        code: Some(ErrorCode::RuntimeFailed),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        address: Some(parse("192.0.2.1")),
        detail: [("command".to_owned(), "echo \"a\"\n".to_owned())].into(),
    }
}

/// An account.
#[must_use]
pub fn user() -> UserRecord {
    let id = UserId::random();
    UserRecord {
        email: parse::<Email>(&format!("{id}@example.com")),
        id,
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA".to_owned(),
        role: Role::User,
        disabled_at: None,
        created_at: now(),
    }
}

/// An API key of `owner`.
#[must_use]
pub fn api_key(owner: &UserId) -> ApiKeyRecord {
    let id = ApiKeyId::random();
    let mut hash = [0; 32];
    hash[..ApiKeyId::LEN].copy_from_slice(id.as_str().as_bytes());
    ApiKeyRecord {
        id,
        owner: owner.clone(),
        name: "laptop".to_owned(),
        hash,
        prefix: "atoll_abcd".to_owned(),
        created_at: now(),
        expires_at: None,
        last_used_at: None,
        scopes: Scopes::usual(),
    }
}

/// A log-in of `user`.
#[must_use]
pub fn session(user: &UserId) -> SessionRecord {
    let now = now();
    SessionRecord {
        id: SessionId::random(),
        user: user.clone(),
        seq: 1,
        created_at: now,
        used_at: now,
        expires_at: Timestamp::from_unix_ms(now.as_unix_ms() + 60_000),
        address: "192.0.2.1".to_owned(),
        agent: "curl/8".to_owned(),
    }
}

/// An invitation of `inviter`.
#[must_use]
pub fn invitation(inviter: &UserId) -> InvitationRecord {
    let (id, now) = (InvitationId::random(), now());
    let mut hash = [1; 32];
    hash[..InvitationId::LEN].copy_from_slice(id.as_str().as_bytes());
    InvitationRecord {
        id,
        inviter: inviter.clone(),
        hash,
        email: None,
        role: Role::User,
        created_at: now,
        expires_at: Timestamp::from_unix_ms(now.as_unix_ms() + 60_000),
    }
}

/// A class link of `maker`.
#[must_use]
pub fn class_link(maker: &UserId) -> ClassLinkRecord {
    let now = now();
    ClassLinkRecord {
        id: ClassLinkId::random(),
        maker: maker.clone(),
        sessions_max: 30,
        created_at: now,
        expires_at: Timestamp::from_unix_ms(now.as_unix_ms() + 60_000),
    }
}

/// A digest made of one repeated digit.
#[must_use]
pub fn digest(digit: char) -> ImageDigest {
    parse(&digit.to_string().repeat(64))
}

/// An image.
#[must_use]
pub fn image(owner: &UserId, name: &str, digest: ImageDigest) -> ImageRecord {
    ImageRecord {
        name: parse::<ImageName>(name),
        digest,
        size_bytes: 5 << 20,
        template: SandboxTemplate { cwd: Some(parse("/srv")), ..SandboxTemplate::default() },
        config: Some(ImageConfig { exposed_ports: vec![parse("80/tcp")], ..ImageConfig::default() }),
        owner: owner.clone(),
        created_at: now(),
    }
}

/// What a sandbox of the host image is.
#[must_use]
pub fn sandbox_spec() -> SandboxSpec {
    SandboxSpec {
        name: None,
        image: parse("host"),
        source: ImageSource::Host,
        runtime: RuntimeKind::Native,
        limits: Limits::default(),
        network: Network::None,
        gpus: Gpus::None,
        env: EnvVars::default(),
        entrypoint: Vec::new(),
        command: None,
        cwd: None,
        user: GuestUser::agent(),
        capabilities: Capabilities::Standard,
        read_only_root: false,
        labels: Labels::new(),
        ttl_seconds: None,
        on_expiry: OnExpiry::Delete,
        idle_seconds: 0,
        ports: Vec::new(),
        environment: None,
        health_check: None,
    }
}

/// Labels of pairs.
#[must_use]
pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(k, v)| (parse::<Label>(k), parse::<Label>(v))).collect()
}

/// An environment in its first version.
#[must_use]
pub fn environment(owner: &UserId) -> EnvironmentRecord {
    let created_at = now();
    EnvironmentRecord {
        id: EnvironmentId::random(),
        owner: owner.clone(),
        name: parse("web"),
        version: 1,
        template: SandboxTemplate { cpu_millis: Some(500), ..SandboxTemplate::default() },
        created_at,
        updated_at: created_at,
    }
}

/// A secret, sealed by nobody: different each time.
#[must_use]
pub fn secret(environment: &EnvironmentId, name: &str) -> SecretRecord {
    let created_at = now();
    let sealed = ExecId::random().as_str().repeat(2).into_bytes();
    SecretRecord {
        environment: environment.clone(),
        name: parse(name),
        sealed,
        created_at,
        updated_at: created_at,
    }
}

/// A sandbox that was just asked for.
#[must_use]
pub fn sandbox(owner: &UserId, node: &NodeId) -> SandboxRecord {
    SandboxRecord {
        id: SandboxId::random(),
        owner: owner.clone(),
        node: node.clone(),
        uid_slot: 0,
        spec: sandbox_spec(),
        desired: Desired::Running,
        observed: Observed::Absent,
        operation: None,
        stop_reason: None,
        failure: None,
        lifetime: None,
        generation: 1,
        created_at: now(),
        started_at: None,
        boot_id: None,
        host_ports: Vec::new(),
    }
}

/// What an exec of this shell line is.
#[must_use]
pub fn exec_spec(line: &str) -> ExecSpec {
    ExecSpec {
        command: Command::shell(line.to_owned()).expect("a valid line"),
        env: EnvVars::default(),
        cwd: None,
        user: None,
        timeout_seconds: None,
        stdin_open: false,
        tty: None,
    }
}

/// A running exec.
#[must_use]
pub fn exec(sandbox: &SandboxId) -> ExecRecord {
    ExecRecord {
        id: ExecId::random(),
        sandbox: sandbox.clone(),
        kind: ExecKind::Exec,
        spec: exec_spec("true"),
        status: ExecStatus::Running,
        created_at: now(),
        outcome: None,
    }
}

/// An exit with this code.
#[must_use]
pub fn exited(code: i32) -> ExecOutcome {
    ExecOutcome {
        status: ExecStatus::Exited,
        exit: Some(ExecExit { code, timed_out: false }),
        last_seq: 2,
        finished_at: now(),
        duration_ms: 3,
        truncated: false,
        failure: None,
    }
}

/// The end of an exec whose agent died.
#[must_use]
pub fn lost(last_seq: u64) -> ExecOutcome {
    ExecOutcome {
        status: ExecStatus::Lost,
        exit: None,
        last_seq,
        finished_at: now(),
        duration_ms: 3,
        truncated: false,
        failure: Some("the sandbox crashed".to_owned()),
    }
}

/// The same exec, ended.
#[must_use]
pub fn finished(exec: &ExecRecord, outcome: ExecOutcome) -> ExecRecord {
    ExecRecord { status: outcome.status, outcome: Some(outcome), ..exec.clone() }
}

/// What a job of this shell line is, with the usual waits.
#[must_use]
pub fn job_spec(line: &str, restart: RestartPolicy) -> JobSpec {
    JobSpec { name: None, exec: exec_spec(line), restart, max_retries: None, backoff: Backoff::default() }
}

/// A job whose first run was just begun.
#[must_use]
pub fn job(sandbox: &SandboxId) -> JobRecord {
    JobRecord {
        id: JobId::random(),
        sandbox: sandbox.clone(),
        spec: job_spec("true", RestartPolicy::OnFailure),
        desired: JobDesired::Running,
        phase: JobPhase::Running,
        sandbox_started_at: now(),
        starts: 1,
        retries: 0,
        runs: vec![ExecId::random()],
        last_end: None,
        generation: 1,
        created_at: now(),
    }
}
