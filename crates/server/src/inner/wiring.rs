//! The one place that sees the engine and its adapters together.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use atoll_agent_client::{AgentClient, Way};
use atoll_clock::SystemClock;
use atoll_engine::{Engine, Ports, Runtimes, Settings};
use atoll_exec_log::DirExecLogs;
use atoll_host_ports::TcpHostPorts;
use atoll_http::{
    Access, Api, ApiSettings, Observability, Protection, PublicSessions, RequestLog, SessionKeys, TokenKeys,
};
use atoll_images::{Options as RegistryOptions, Patience, Registries};
use atoll_ports::{AgentPorts, BridgeGuard, ContainerAgents, ImageBuilder, Images, Runtime};
use atoll_runtime_docker::{Broker, DockerBuilder, DockerImages, DockerRuntime, Events, Shortcut};
use atoll_runtime_native::{NativeRuntime, Options, Service};
use atoll_store::SqliteStore;
use atoll_tasks::{CancellationToken, Group, Kind, Tasks};
use atoll_types::{NodeId, RuntimeKind};
use tokio::sync::watch;

use super::InnerError;
use super::error::SettingsError;
use super::folder::Folder;
use super::request_log::RequestFiles;
use super::spans::spans;
use super::{account, identity, master_keys, metrics};
use crate::config::{AuthMode, Config, SessionConfig};
use crate::report;

/// Holds all records.
const DATABASE: &str = "atoll.db";
/// Holds the output of execs.
const EXEC_LOGS: &str = "exec-logs";
/// Holds uploads under way.
const SPOOL: &str = "spool";
/// Holds the log of requests.
const LOGS: &str = "logs";

/// Everything behind the API.
pub(super) struct Parts {
    pub(super) store: Arc<SqliteStore>,
    pub(super) engine: Engine,
    /// To be kept synced.
    pub(super) exec_logs: DirExecLogs,
    /// The launcher's client; nothing is answered before it runs.
    pub(super) launcher: Service,
    /// Tell what happens in Docker, where that is; no event comes before they run.
    pub(super) docker: Option<(Events, [DockerRuntime; 2])>,
}

/// The folders with the agents' sockets.
#[derive(Debug)]
pub(super) struct Agents {
    pub(super) native: OwnedFd,
    /// Where there is a broker.
    pub(super) docker: Option<OwnedFd>,
}

/// Opens the store and puts the engine on its adapters.
pub(super) async fn parts(
    config: &Config,
    folder: &Folder,
    run: &OwnedFd,
    agents: Agents,
    tasks: &Tasks,
) -> Result<Parts, InnerError> {
    let node = identity::node(folder)?;
    let store = Arc::new(SqliteStore::open(&folder.path(DATABASE)).await.map_err(InnerError::Store)?);
    let (runtime, launcher) = NativeRuntime::new(Options { run_dir: path_of(run) });
    let native = Arc::new(runtime);
    let mut runtimes: Vec<Arc<dyn Runtime>> = vec![Arc::<NativeRuntime>::clone(&native)];
    let guard: Arc<dyn BridgeGuard> = Arc::<NativeRuntime>::clone(&native);
    let containers: Arc<dyn ContainerAgents> = Arc::<NativeRuntime>::clone(&native);
    let mut images: Arc<dyn Images> = native;
    let mut builder: Option<Arc<dyn ImageBuilder>> = None;
    let broker = agents.docker.is_some().then(|| Broker::new(path_of(run)));
    let mut ways = vec![Way::over(agents.native)];
    if let Some((directory, broker)) = agents.docker.zip(broker.clone()) {
        ways.push(Way::with_shortcut(directory, Arc::new(Shortcut::new(broker, containers))));
    }
    let agents = Arc::new(AgentClient::by(ways));
    let docker = broker.map(|broker| {
        let kinds = [RuntimeKind::Docker, RuntimeKind::Gvisor];
        let ports: Arc<dyn AgentPorts> = Arc::<AgentClient>::clone(&agents);
        let both = kinds
            .map(|kind| DockerRuntime::new(broker.clone(), Arc::clone(&guard), Arc::clone(&ports), kind));
        runtimes.extend(both.iter().map(|runtime| Arc::new(runtime.clone()) as Arc<dyn Runtime>));
        images = Arc::new(DockerImages::new(Arc::clone(&images), broker.clone()));
        builder = Some(Arc::new(DockerBuilder::new(broker.clone(), Arc::clone(&guard))));
        (broker.events(), both)
    });
    let exec_logs = DirExecLogs::new(folder.path(EXEC_LOGS));
    let registry = Registries::new(RegistryOptions {
        spool: folder.subfolder(SPOOL)?,
        default: config.default_registry.clone(),
        insecure: config.insecure_registries.clone(),
        allowed: config.registries.clone(),
        auth_file: config.registry_auth_file.clone(),
        patience: Patience::default(),
    });
    let ports = Ports {
        store: Arc::<SqliteStore>::clone(&store),
        runtimes: Runtimes::new(runtimes),
        images,
        registry: Arc::new(registry),
        builder,
        agents: Arc::<AgentClient>::clone(&agents),
        terminals: Arc::<AgentClient>::clone(&agents),
        files: agents,
        exec_logs: Arc::new(exec_logs.clone()),
        clock: Arc::new(SystemClock::new()?),
        host_ports: Arc::new(TcpHostPorts::new(config.host)),
        seal: Arc::new(master_keys::keyring(folder, config.master_keys.as_ref())?),
    };
    let engine = Engine::new(ports, settings(config, node), tasks);
    Ok(Parts { store, engine, exec_logs, launcher, docker })
}

fn settings(config: &Config, node: NodeId) -> Settings {
    Settings {
        node,
        default_image: config.default_image.clone(),
        idle_ttl: config.idle_ttl,
        warm_pool: config.warm_pool,
        warm_pool_max: config.warm_pool_max,
        quota: config.quota,
        sandbox_execs_per_hour: config.sandbox_execs_per_hour,
        audit_retention: config.audit_retention,
        audit_entries_max: config.audit_entries_max,
        // Whoever can connect from this machine is trusted with an account; others are invited.
        signup_open: config.host.is_loopback(),
        session_ttl: config.session_ttl,
        async_exec: config.async_exec,
        exec_retention: config.exec_retention,
        image_bytes_max: config.image_bytes_max,
        image_builds: config.image_builds,
        image_build_time: config.image_build_time,
        keeps_history: true,
        per_sandbox_metrics: config.per_sandbox_metrics,
        sessions: config.sessions.as_ref().map(|sessions| sessions.engine.clone()),
    }
}

/// Counts and notes requests from now on. Its tasks end after those that serve requests.
pub(super) fn observability(
    config: &Config,
    folder: &Folder,
    tasks: &Tasks,
) -> Result<Observability, InnerError> {
    let handle = metrics::install(config.per_sandbox_metrics).map_err(InnerError::Metrics)?;
    let group = tasks.group("observability");
    metrics::keep(&group, &handle)?;
    let log = if config.request_log { request_log(folder, &group)? } else { None };
    let observability = Observability::new(Arc::new(move || handle.render()), log);
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(observability) };
    let (queue, sender) = spans(endpoint, &identity::node(folder)?).map_err(SettingsError::from)?;
    group.spawn("spans", Kind::WORK, |token| sender.run(token))?;
    Ok(observability.traced(Arc::new(queue)))
}

/// The log of requests. A full disk, on which there is no room to begin one, must not keep serve from starting.
fn request_log(folder: &Folder, group: &Group) -> Result<Option<RequestLog>, InnerError> {
    let failed = |source| InnerError::File { action: "open", name: "logs/requests.log", source };
    let files = folder.subfolder(LOGS).and_then(|logs| RequestFiles::open(logs).map_err(failed));
    let files = match files {
        Ok(files) => files,
        Err(error) => {
            tracing::warn!("requests are not logged until the next start: {}", report::chain(&error));
            return Ok(None);
        }
    };
    let (log, lines) = RequestLog::new();
    group.spawn("request log", Kind::WORK, |token| files.write(lines, token))?;
    Ok(Some(log))
}

/// The API over the engine; `ready` opens it.
pub(super) async fn api(
    config: &Config,
    folder: &Folder,
    engine: &Engine,
    store: &SqliteStore,
    observability: Observability,
    ready: watch::Receiver<bool>,
    stopping: CancellationToken,
) -> Result<Api, InnerError> {
    let settings = ApiSettings {
        access: access(config, folder, store).await?.protected(protection(config, folder)?),
        async_exec: config.async_exec,
        archive_bytes_max: config.image_bytes_max,
        spool: folder.subfolder(SPOOL)?,
        observability,
        ready,
        stopping,
    };
    Ok(Api::new(engine.clone(), settings))
}

fn protection(config: &Config, folder: &Folder) -> Result<Protection, InnerError> {
    let sessions = config.sessions.as_ref().map(|sessions| public_sessions(config, sessions, folder));
    Ok(Protection {
        trusted_proxies: config.trusted_proxies.clone(),
        limits: config.limits,
        cors_origins: config.cors_origins.clone(),
        secure_cookie: config.public_url.as_ref().is_some_and(|url| url.starts_with("https://")),
        sessions: sessions.transpose()?,
    })
}

/// Their ids are signed with the secret of tokens, also where there are no tokens.
fn public_sessions(
    config: &Config,
    sessions: &SessionConfig,
    folder: &Folder,
) -> Result<PublicSessions, InnerError> {
    let secret = identity::token_secret(folder, config.jwt_secret.as_ref())?;
    Ok(PublicSessions {
        origins: sessions.origins.clone(),
        per_address: sessions.per_address,
        rate: sessions.rate,
        commands: sessions.commands,
        sessions_max: sessions.engine.sessions_max,
        keys: Arc::new(SessionKeys::new(&secret).map_err(SettingsError::from)?),
    })
}

async fn access(config: &Config, folder: &Folder, store: &SqliteStore) -> Result<Access, InnerError> {
    match config.auth {
        AuthMode::None => Ok(Access::single_user(account::single_user(store, folder, config).await?)),
        AuthMode::Token => {
            let secret = identity::token_secret(folder, config.jwt_secret.as_ref())?;
            let keys = TokenKeys::new(&secret, config.token_ttl).map_err(SettingsError::from)?;
            Ok(Access::tokens(keys))
        }
    }
}

fn path_of(folder: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}
