//! `atoll start`, `stop`, `restart`, `keepalive`, `pause` and `resume`

use std::process::ExitCode;

use atoll_api_types::Sandbox;
use atoll_client::Client;
use atoll_types::SandboxId;

use super::Call;
use super::resources::Wait;
use crate::failure::Report;
use crate::{pairs, sandbox_ref};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids or names of the sandboxes.
    #[arg(required = true, value_name = "SANDBOX")]
    sandboxes: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    /// Ids or names of the sandboxes.
    #[arg(required_unless_present = "labels", conflicts_with = "labels", value_name = "SANDBOX")]
    sandboxes: Vec<String>,
    /// Every sandbox with this label; may be given several times.
    #[arg(long = "label", short = 'l', value_name = "KEY=VALUE", value_parser = pairs::label)]
    labels: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    which: Args,
    #[command(flatten)]
    wait: Wait,
}

/// Starts them, and waits for them where that is wanted.
pub(crate) async fn start(args: StartArgs, call: &Call) -> anyhow::Result<ExitCode> {
    let change = match args.wait.wait {
        true => Change::StartHealthy(args.wait.seconds()),
        false => Change::Start,
    };
    run(args.which, change, call).await
}

/// What becomes of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Start,
    /// And waited for until it is healthy, for so many seconds.
    StartHealthy(Option<u32>),
    Stop,
    Restart,
    Keepalive,
    Pause,
    Resume,
}

impl Change {
    async fn apply(self, client: &Client, id: &SandboxId) -> Result<Sandbox, atoll_client::ClientError> {
        match self {
            Self::Start => client.sandbox_start(id).await,
            Self::StartHealthy(seconds) => client.sandbox_start_healthy(id, seconds).await,
            Self::Stop => client.sandbox_stop(id).await,
            Self::Restart => client.sandbox_restart(id).await,
            Self::Keepalive => client.sandbox_keepalive(id).await,
            Self::Pause => client.sandbox_pause(id).await,
            Self::Resume => client.sandbox_resume(id).await,
        }
    }
}

/// `atoll stop`
pub(crate) async fn stop(args: StopArgs, call: &Call) -> anyhow::Result<ExitCode> {
    if args.labels.is_empty() {
        return run(Args { sandboxes: args.sandboxes }, Change::Stop, call).await;
    }
    let stopped = call.client.sandbox_stop_labelled(&args.labels).await?;
    for failed in &stopped.failed {
        let error = anyhow::anyhow!("{}", failed.message).context(failed.id.clone());
        call.printer.error(&Report::new(&error, Some(&failed.id)));
    }
    call.printer.data(&stopped, || stopped.ids.join("\n"))?;
    Ok(if stopped.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One that fails does not keep the others from it.
pub(crate) async fn run(args: Args, change: Change, call: &Call) -> anyhow::Result<ExitCode> {
    let mut changed = Vec::new();
    for name in &args.sandboxes {
        match one(name, change, &call.client).await {
            Ok(sandbox) => changed.push(sandbox),
            Err(error) if args.sandboxes.len() == 1 => return Err(error),
            Err(error) => call.printer.error(&Report::new(&error.context(name.clone()), Some(name))),
        }
    }
    call.printer.data(&changed, || {
        changed.iter().map(|s| format!("{}  {}", s.id, super::ls::state(s))).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if changed.len() == args.sandboxes.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn one(name: &str, change: Change, client: &Client) -> anyhow::Result<Sandbox> {
    let id = sandbox_ref::resolve(client, name).await?;
    Ok(change.apply(client, &id).await?)
}
