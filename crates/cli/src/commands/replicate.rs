//! `atoll replicate`

use std::process::ExitCode;

use atoll_api_types::ReplicateSandbox;

use super::Call;
use super::resources::{MainProcess, Resources};
use crate::sandbox_ref;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id or name of the sandbox.
    #[arg(value_name = "SANDBOX")]
    pub(crate) sandbox: String,
    #[command(flatten)]
    resources: Resources,
    #[command(flatten)]
    process: MainProcess,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let id = sandbox_ref::resolve(&call.client, &args.sandbox).await?;
    let body = args.process.add_to(args.resources.into_body());
    let body: ReplicateSandbox = serde_json::from_value(serde_json::to_value(body)?)?;
    let made = call.client.sandbox_replicate(&id, &body).await?;
    call.printer.data(&made, || made.id.clone())?;
    Ok(ExitCode::SUCCESS)
}
