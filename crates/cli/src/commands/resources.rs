//! Options of commands that make or define sandboxes.

use std::time::Duration;

use atoll_api_types::{CommandBody, CreateSandbox, Gpus, HealthCheck, PublishPort};
use atoll_types::HealthCheck as Usual;

use crate::{pairs, units};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sandbox")]
pub(crate) struct Resources {
    /// Image: `host`, or one that was imported [default: the server's].
    #[arg(long)]
    image: Option<String>,
    /// What isolates it: `native`, `docker`, `gvisor`, or `auto` [default: native].
    #[arg(long)]
    runtime: Option<String>,
    /// How far apart from the host: `standard` or `strong`.
    #[arg(long)]
    isolation: Option<String>,
    /// Name for people; commands take it in place of the id while it is the only one.
    #[arg(long)]
    name: Option<String>,
    /// CPU cores, such as 0.5.
    #[arg(long, value_name = "CORES")]
    cpu: Option<f64>,
    /// Memory in MiB, or with m or g.
    #[arg(long, short = 'm', value_name = "SIZE", value_parser = units::mebibytes)]
    memory: Option<u64>,
    /// Writable disk in MiB, or with m or g.
    #[arg(long, value_name = "SIZE", value_parser = units::mebibytes)]
    disk: Option<u64>,
    /// Processes and threads at once.
    #[arg(long, value_name = "COUNT")]
    pids: Option<u32>,
    /// Open files of one process.
    #[arg(long, value_name = "COUNT")]
    open_files: Option<u64>,
    /// What its network carries each way, in megabits a second; 0: as much as it can.
    #[arg(long, value_name = "MBIT")]
    bandwidth: Option<u32>,
    /// What it reaches: `none`, or `all` of the Internet but private addresses.
    #[arg(long)]
    network: Option<String>,
    /// GPUs of the host, only with `--runtime docker`: `all`, a number, or `device=ID,…` with ids as `nvidia-smi -L` shows them; or `none`.
    #[arg(long, value_name = "GPUS", value_parser = pairs::gpus)]
    gpus: Option<Gpus>,
    /// Capabilities inside: `standard` or `none`.
    #[arg(long)]
    capabilities: Option<String>,
    /// Make the root file system read-only.
    #[arg(long)]
    read_only: bool,
    /// Label for filters; may be given several times.
    #[arg(long = "label", short = 'l', value_name = "KEY=VALUE", value_parser = pairs::label)]
    labels: Vec<(String, String)>,
    /// Life time: 90, 15m, 2h, 1d.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    ttl: Option<Duration>,
    /// What the end of the life time does: `delete` or `stop`.
    #[arg(long, value_name = "ACTION", requires = "ttl")]
    on_expiry: Option<String>,
    /// Stop it after so long without activity; 0: never.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    idle: Option<Duration>,
    /// Publish a TCP port on the host, at any free port or at HOST; may be given several times.
    #[arg(long, short, value_name = "[HOST:]CONTAINER", value_parser = pairs::port)]
    publish: Vec<PublishPort>,
    #[command(flatten)]
    health: Health,
}

/// What tells whether it works.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Health check")]
struct Health {
    /// Line of shell that runs in the sandbox now and then, and ends with 0 while all is well.
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Time from one check to the next [default: 30].
    #[arg(long, value_name = "TIME", value_parser = units::duration, requires = "health_cmd")]
    health_interval: Option<Duration>,
    /// A check that takes longer has failed [default: 30].
    #[arg(long, value_name = "TIME", value_parser = units::duration, requires = "health_cmd")]
    health_timeout: Option<Duration>,
    /// Checks that fail in a row before it is unhealthy [default: 3].
    #[arg(long, value_name = "COUNT", requires = "health_cmd")]
    health_retries: Option<u32>,
    /// Time from its start in which a check that fails does not count [default: 0].
    #[arg(long, value_name = "TIME", value_parser = units::duration, requires = "health_cmd")]
    health_start_period: Option<Duration>,
    /// No health check, also where its environment has one.
    #[arg(long, conflicts_with = "health_cmd")]
    no_healthcheck: bool,
}

impl Health {
    fn into_body(self) -> Option<HealthCheck> {
        let seconds = |time: Option<Duration>, usual| {
            time.map_or(usual, |time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
        };
        let command = match self.health_cmd {
            Some(line) => CommandBody::Line(line),
            None if self.no_healthcheck => CommandBody::Argv(Vec::new()),
            None => return None,
        };
        Some(HealthCheck {
            command,
            interval_seconds: seconds(self.health_interval, Usual::INTERVAL_SECONDS),
            timeout_seconds: seconds(self.health_timeout, Usual::TIMEOUT_SECONDS),
            retries: self.health_retries.unwrap_or(Usual::RETRIES),
            start_period_seconds: seconds(self.health_start_period, Usual::START_PERIOD_SECONDS),
        })
    }
}

/// Whether to wait until it is healthy.
#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    /// Wait until its health check says that it is healthy.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Longest time to wait for that [default: 60].
    #[arg(long, value_name = "TIME", value_parser = units::duration, requires = "wait")]
    wait_timeout: Option<Duration>,
}

impl Wait {
    /// The same body, with what is to be waited for.
    pub(crate) fn add_to(&self, body: CreateSandbox) -> CreateSandbox {
        let wait_for = self.wait.then(|| "healthy".to_owned());
        CreateSandbox { wait_for, wait_seconds: self.seconds(), ..body }
    }

    /// Longest time in seconds, where one is given.
    pub(crate) fn seconds(&self) -> Option<u32> {
        self.wait_timeout.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
    }
}

impl Resources {
    /// The body of the request, without what is about processes. The server checks the values.
    pub(crate) fn into_body(self) -> CreateSandbox {
        CreateSandbox {
            name: self.name,
            image: self.image,
            runtime: self.runtime,
            isolation: self.isolation,
            cpu: self.cpu,
            memory: self.memory,
            disk: self.disk,
            pids: self.pids,
            open_files: self.open_files,
            bandwidth: self.bandwidth,
            network: self.network,
            gpus: self.gpus,
            capabilities: self.capabilities,
            read_only_root: self.read_only.then_some(true),
            labels: self.labels.into_iter().collect(),
            ttl_seconds: self.ttl.map(|ttl| ttl.as_secs()),
            on_expiry: self.on_expiry,
            idle_ttl_seconds: self.idle.map(|idle| idle.as_secs()),
            ports: (!self.publish.is_empty()).then_some(self.publish),
            health_check: self.health.into_body(),
            ..CreateSandbox::default()
        }
    }
}

/// What runs in it, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Processes")]
pub(crate) struct MainProcess {
    /// Variable of every process; KEY alone takes the value from here; may be given several times.
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pairs::variable)]
    env: Vec<(String, String)>,
    /// User of its commands, such as `root` or `1000:1000` [default: `agent`, or the image's].
    #[arg(long, short)]
    user: Option<String>,
    /// Folder in which its commands begin [default: the user's home].
    #[arg(long, short, value_name = "PATH")]
    workdir: Option<String>,
    /// Program that gets the command as its arguments.
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Main process; `atoll logs` shows its output. Without it the sandbox waits for `atoll exec`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl MainProcess {
    /// The same body, with what is about processes.
    pub(crate) fn add_to(self, body: CreateSandbox) -> CreateSandbox {
        CreateSandbox {
            env: self.env.into_iter().collect(),
            user: self.user,
            cwd: self.workdir,
            entrypoint: self.entrypoint.map(|program| vec![program]),
            command: (!self.command.is_empty()).then_some(CommandBody::Argv(self.command)),
            ..body
        }
    }
}
