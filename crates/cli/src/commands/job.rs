//! `atoll job`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use atoll_api_types::{CommandBody, Job, JobBody};
use atoll_client::{Client, LogFilter};
use atoll_types::{JobId, SandboxId};
use time::OffsetDateTime;

use super::{Call, listing, logs, ls};
use crate::failure::advised;
use crate::printer::pairs as names_and_values;
use crate::{pairs, sandbox_ref, units};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Start a command in the background and print the id of the job.
    Run(Box<Run>),
    /// List the jobs of a sandbox.
    #[command(visible_alias = "list")]
    Ls {
        /// Id or name of the sandbox.
        #[arg(value_name = "SANDBOX")]
        sandbox: String,
    },
    /// Show a job.
    Get(Which),
    /// Print what the last runs of a job wrote.
    Logs {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        lines: logs::Lines,
    },
    /// Stop jobs and remove them: TERM, and KILL after ten seconds.
    #[command(visible_alias = "delete")]
    Rm {
        /// Id or name of the sandbox.
        #[arg(value_name = "SANDBOX")]
        sandbox: String,
        /// Ids or names of the jobs.
        #[arg(required = true, value_name = "JOB")]
        jobs: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Id or name of the sandbox.
    #[arg(value_name = "SANDBOX")]
    sandbox: String,
    /// Id or name of the job.
    #[arg(value_name = "JOB")]
    job: String,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Id or name of the sandbox.
    #[arg(value_name = "SANDBOX")]
    sandbox: String,
    /// Name for people.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// When it starts again: `never`, `on-failure`, or `always`, which is also when its sandbox comes up [default: never].
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Most restarts in a row [default: no bound].
    #[arg(long, value_name = "COUNT")]
    max_retries: Option<u32>,
    /// Wait before the first restart in a row, in milliseconds; doubled each time [default: 1000].
    #[arg(long, value_name = "MS")]
    backoff_ms: Option<u32>,
    /// Longest wait before a restart, in milliseconds [default: 60000].
    #[arg(long, value_name = "MS")]
    backoff_max_ms: Option<u32>,
    /// Variable; KEY alone takes the value from here; may be given several times.
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pairs::variable)]
    env: Vec<(String, String)>,
    /// Folder in which it runs [default: the user's home].
    #[arg(long, short, value_name = "PATH")]
    workdir: Option<String>,
    /// User as whom it runs, such as `root` or `1000:1000`.
    #[arg(long, short)]
    user: Option<String>,
    /// Kill each run after so long: 90, 15m, 2h.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
    /// Program and arguments. For a shell line: `-- sh -c 'LINE'`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Run(new) => {
            let sandbox = sandbox_ref::resolve(&call.client, &new.sandbox).await?;
            let job = call.client.job_create(&sandbox, &new.into_body()).await?;
            call.printer.data(&job, || job.id.clone())?;
        }
        Action::Ls { sandbox } => {
            let sandbox = sandbox_ref::resolve(&call.client, &sandbox).await?;
            list(call, &sandbox).await?;
        }
        Action::Get(which) => {
            let (sandbox, job) = resolve(&call.client, &which).await?;
            let job = call.client.job_get(&sandbox, &job).await?;
            call.printer.data(&job, || describe(&job))?;
        }
        Action::Logs { which, lines } => {
            let (sandbox, job) = resolve(&call.client, &which).await?;
            let filter = LogFilter { tail: lines.tail, since: lines.since.clone() };
            let log = call.client.job_logs(&sandbox, &job, &filter).await?;
            logs::show(call, &log, lines.timestamps)?;
        }
        Action::Rm { sandbox, jobs } => remove(call, sandbox, jobs).await?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Run {
    fn into_body(self) -> JobBody {
        JobBody {
            command: CommandBody::Argv(self.command),
            name: self.name,
            restart: self.restart,
            max_retries: self.max_retries,
            backoff_ms: self.backoff_ms,
            backoff_max_ms: self.backoff_max_ms,
            env: self.env.into_iter().collect(),
            cwd: self.workdir,
            user: self.user,
            timeout_seconds: self.timeout.map(|timeout| u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX)),
        }
    }
}

async fn list(call: &Call, sandbox: &SandboxId) -> anyhow::Result<()> {
    let row = |job: &Job, now: OffsetDateTime| {
        vec![
            job.id.clone(),
            job.name.clone().unwrap_or_default(),
            job.status.clone(),
            job.restart.clone(),
            job.starts.to_string(),
            last_exit(job),
            ls::age(&job.created_at, now),
            command_line(&job.command),
        ]
    };
    let headers = ["ID", "NAME", "STATUS", "RESTART", "STARTS", "LAST EXIT", "CREATED", "COMMAND"];
    let page = async |cursor: Option<&str>| call.client.job_list(sandbox, cursor).await;
    listing::show_all(call, &headers, page, row).await
}

async fn remove(call: &Call, sandbox: String, jobs: Vec<String>) -> anyhow::Result<()> {
    let mut deleted = Vec::new();
    for job in jobs {
        let (sandbox, job) = resolve(&call.client, &Which { sandbox: sandbox.clone(), job }).await?;
        deleted.push(call.client.job_delete(&sandbox, &job).await?);
    }
    let ids = || deleted.iter().map(|gone| gone.id.as_str()).collect::<Vec<_>>().join("\n");
    Ok(call.printer.data(&deleted, ids)?)
}

/// How the last run ended.
fn last_exit(job: &Job) -> String {
    let Some(exit) = &job.last_exit else { return String::new() };
    exit.exit_code.map_or_else(|| exit.status.clone(), |code| code.to_string())
}

/// As short as a table needs it.
fn command_line(command: &CommandBody) -> String {
    const CHARS_MAX: usize = 40;
    let line = match command {
        CommandBody::Line(line) => line.clone(),
        CommandBody::Argv(argv) => argv.join(" "),
    };
    if line.chars().count() <= CHARS_MAX {
        line
    } else {
        line.chars().take(CHARS_MAX).chain(['…']).collect()
    }
}

fn describe(job: &Job) -> String {
    let ended = job.last_exit.as_ref();
    names_and_values(&[
        ("id", job.id.clone()),
        ("name", job.name.clone().unwrap_or_default()),
        ("sandbox", job.sandbox_id.clone()),
        ("status", job.status.clone()),
        ("command", command_line(&job.command)),
        ("pid", job.pid.map(|pid| pid.to_string()).unwrap_or_default()),
        ("restart", job.restart.clone()),
        ("starts", job.starts.to_string()),
        ("last exit", last_exit(job)),
        ("ended", ended.map(|exit| exit.finished_at.clone()).unwrap_or_default()),
        ("error", ended.and_then(|exit| exit.error.clone()).unwrap_or_default()),
        ("next start", job.next_start.clone().unwrap_or_default()),
        ("created", job.created_at.clone()),
        ("runs", job.exec_ids.join(" ")),
    ])
}

/// The job that is meant: by its id, or as the only one of this name.
async fn resolve(client: &Client, which: &Which) -> anyhow::Result<(SandboxId, JobId)> {
    let sandbox = sandbox_ref::resolve(client, &which.sandbox).await?;
    if let Ok(id) = which.job.parse() {
        return Ok((sandbox, id));
    }
    let mut named: Vec<String> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = client.job_list(&sandbox, cursor.as_deref()).await?;
        let fits = |job: &Job| job.name.as_deref() == Some(which.job.as_str());
        named.extend(page.items.into_iter().filter(fits).map(|job| job.id));
        if page.next_cursor.is_none() || page.next_cursor == cursor {
            break;
        }
        cursor = page.next_cursor;
    }
    let list = format!("`atoll job ls {}` lists its jobs, by id and name", which.sandbox);
    match named.as_slice() {
        [id] => Ok((sandbox, id.parse().context("the server gave no id of a job")?)),
        [] => Err(advised(format!("there is no job {:?} in this sandbox", which.job), list)),
        more => Err(advised(format!("{} jobs have the name {:?}", more.len(), which.job), list)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_cut_in_tables() {
        let argv = |words: &[&str]| CommandBody::Argv(words.iter().map(ToString::to_string).collect());
        assert_eq!(command_line(&argv(&["python3", "-m", "http.server"])), "python3 -m http.server");
        let long = command_line(&CommandBody::Line("é".repeat(100)));
        assert!(long.chars().count() == 41 && long.ends_with('…'), "{long}");
    }
}
