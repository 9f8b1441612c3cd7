//! `atoll start`, `stop`, `restart`, `keepalive`, `pause` and `resume`

use std::process::ExitCode;

use atoll_api_types::Sandbox;
use atoll_client::Client;
use atoll_types::SandboxId;

use super::Call;
use crate::failure::Report;
use crate::sandbox_ref;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids or names of the sandboxes.
    #[arg(required = true, value_name = "SANDBOX")]
    sandboxes: Vec<String>,
}

/// What becomes of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Start,
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
            Self::Stop => client.sandbox_stop(id).await,
            Self::Restart => client.sandbox_restart(id).await,
            Self::Keepalive => client.sandbox_keepalive(id).await,
            Self::Pause => client.sandbox_pause(id).await,
            Self::Resume => client.sandbox_resume(id).await,
        }
    }
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
