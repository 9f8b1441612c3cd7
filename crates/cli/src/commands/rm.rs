//! `atoll rm`

use std::process::ExitCode;

use anyhow::Context as _;
use atoll_api_types::Deleted;
use atoll_client::{Client, SandboxFilter};
use futures_util::{StreamExt, stream};

use super::Call;
use crate::failure::Report;
use crate::{pairs, sandbox_ref};

/// Deletions under way at once: enough to hide the waiting, few enough to leave the server to others.
const AT_ONCE: usize = 8;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids or names of the sandboxes; `-id ID` works too.
    #[arg(required_unless_present_any = ["all", "labels"], conflicts_with_all = ["all", "labels"], value_name = "SANDBOX")]
    sandboxes: Vec<String>,
    /// Every sandbox of yours.
    #[arg(long, conflicts_with = "labels")]
    all: bool,
    /// Every sandbox with this label; may be given several times.
    #[arg(long = "label", short = 'l', value_name = "KEY=VALUE", value_parser = pairs::label)]
    labels: Vec<(String, String)>,
}

/// One that fails does not keep the others from it.
pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let names =
        if args.sandboxes.is_empty() { chosen(args.labels, &call.client).await? } else { args.sandboxes };
    let results: Vec<_> = stream::iter(&names)
        .map(async |name| (name, one(name, &call.client).await))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut deleted: Vec<Deleted> = Vec::new();
    for (name, result) in results {
        match result {
            Ok(sandbox) => deleted.push(sandbox),
            Err(error) if names.len() == 1 => return Err(error),
            Err(error) => call.printer.error(&Report::new(&error.context(name.clone()), Some(name))),
        }
    }
    call.printer.data(&deleted, || deleted.iter().map(|d| d.id.as_str()).collect::<Vec<_>>().join("\n"))?;
    Ok(if deleted.len() == names.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn chosen(labels: Vec<(String, String)>, client: &Client) -> anyhow::Result<Vec<String>> {
    let filter = SandboxFilter { labels, ..SandboxFilter::default() };
    let sandboxes = client.sandbox_list_all(&filter).await.context("cannot list what is to be deleted")?;
    Ok(sandboxes.into_iter().map(|sandbox| sandbox.id).collect())
}

async fn one(name: &str, client: &Client) -> anyhow::Result<Deleted> {
    let id = sandbox_ref::resolve(client, name).await?;
    Ok(client.sandbox_delete(&id).await?)
}
