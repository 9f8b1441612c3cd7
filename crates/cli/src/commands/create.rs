//! `atoll create`

use std::process::ExitCode;

use super::resources::{MainProcess, Resources, Wait};
use super::{Call, env};
use crate::pairs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    resources: Resources,
    #[command(flatten)]
    process: MainProcess,
    /// Environment to make it of, by id or name, perhaps with its version; the other options are laid over what it says.
    #[arg(long = "environment", visible_alias = "from", value_name = "ENVIRONMENT[@VERSION]", value_parser = pairs::environment)]
    environment: Option<(String, Option<u32>)>,
    /// How many to make; all or none.
    #[arg(long)]
    count: Option<u32>,
    #[command(flatten)]
    wait: Wait,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let mut new = args.wait.add_to(args.process.add_to(args.resources.into_body()));
    new.count = args.count;
    if let Some((environment, version)) = args.environment {
        new.environment_id = Some(env::resolve(&call.client, &environment).await?.into());
        new.environment_version = version;
    }
    let sandboxes = call.client.sandbox_create(&new).await?;
    let ids = || sandboxes.iter().map(|sandbox| sandbox.id.as_str()).collect::<Vec<_>>().join("\n");
    match (sandboxes.as_slice(), new.count) {
        ([one], None) => call.printer.data(one, ids)?,
        (many, _) => call.printer.data(many, ids)?,
    }
    Ok(ExitCode::SUCCESS)
}
