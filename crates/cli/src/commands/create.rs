//! `atoll create`

use std::process::ExitCode;

use atoll_api_types::CommandBody;

use super::Call;
use super::resources::Resources;
use crate::pairs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    resources: Resources,
    /// How many to make; all or none.
    #[arg(long)]
    count: Option<u32>,
    /// Variable of every process; KEY alone takes the value from here; may be given several times.
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pairs::variable)]
    env: Vec<(String, String)>,
    /// User of its commands, such as `root` or `1000:1000` [default: `agent`, or the image's].
    #[arg(long, short)]
    user: Option<String>,
    /// Main process; `atoll logs` shows its output. Without it the sandbox waits for `atoll exec`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let mut new = args.resources.into_body();
    new.count = args.count;
    new.env = args.env.into_iter().collect();
    new.user = args.user;
    new.command = (!args.command.is_empty()).then_some(CommandBody::Argv(args.command));
    let sandboxes = call.client.sandbox_create(&new).await?;
    let ids = || sandboxes.iter().map(|sandbox| sandbox.id.as_str()).collect::<Vec<_>>().join("\n");
    match (sandboxes.as_slice(), new.count) {
        ([one], None) => call.printer.data(one, ids)?,
        (many, _) => call.printer.data(many, ids)?,
    }
    Ok(ExitCode::SUCCESS)
}
