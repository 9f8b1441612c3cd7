//! `atoll run`: create, exec and delete in one.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use atoll_client::{Client, ClientError};
use atoll_types::SandboxId;

use super::Call;
use super::process::Process;
use super::resources::{Resources, Wait};
use crate::session::{self, Outcome, Signals};

/// Waits between the tries to delete the sandbox: a restart of the server fits.
const DELETE_WAITS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    resources: Resources,
    /// Keep the sandbox afterwards.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    process: Process,
}

/// The sandbox goes away whatever happens: an error, Ctrl-C, a command that does not end.
pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::install()?;
    let new = args.resources.into_body();
    // Once asked for, the answer is waited for even after a signal: it has the id of what must be deleted.
    let Some(created) = signals.during(call.client.sandbox_create(&new)).await else {
        call.printer.note("given up while the sandbox was made: `atoll ls` shows whether it is there");
        return Ok(Outcome::GivenUp(None).exit_code());
    };
    let sandboxes = created?;
    let id: SandboxId = sandboxes.first().context("the server made no sandbox")?.id.parse()?;
    let waited = healthy(&args.wait, &id, call, &mut signals).await;
    let outcome = match (signals.first(), waited) {
        (Some(signal), _) => Ok(Outcome::signalled(signal)),
        (None, Ok(true)) => {
            let stdin = args.process.stdin();
            session::run(call, &id, args.process.into_body(), stdin, &mut signals).await
        }
        (None, Ok(false)) => Ok(Outcome::GivenUp(None)),
        (None, Err(error)) => Err(error),
    };
    if args.keep {
        call.printer.note(&format!("the sandbox {id} is kept: delete it with `atoll rm {id}`"));
    } else {
        signals.forget();
        let deleted = signals.during_one(delete(&call.client, &id)).await;
        if let Err(error) = deleted.unwrap_or_else(|| Err(anyhow::anyhow!("given up"))) {
            call.printer.note(&format!(
                "the sandbox {id} may still be there: delete it with `atoll rm {id}` ({error:#})"
            ));
        }
    }
    Ok(outcome?.exit_code())
}

/// Waits until it is healthy, where that is wanted; false when the person gave up.
async fn healthy(wait: &Wait, id: &SandboxId, call: &Call, signals: &mut Signals) -> anyhow::Result<bool> {
    if !wait.wait || signals.first().is_some() {
        return Ok(true);
    }
    // It runs already: a start only waits.
    match signals.during(call.client.sandbox_start_healthy(id, wait.seconds())).await {
        Some(started) => Ok(started.map(|_| true)?),
        None => Ok(false),
    }
}

async fn delete(client: &Client, id: &SandboxId) -> anyhow::Result<()> {
    let mut waits = DELETE_WAITS.iter();
    loop {
        let Err(error) = client.sandbox_delete(id).await else { return Ok(()) };
        if matches!(&error, ClientError::Api(api) if api.status == 404) {
            return Ok(());
        }
        match waits.next() {
            Some(wait) if error.is_transient() => tokio::time::sleep(*wait).await,
            _ => return Err(error.into()),
        }
    }
}
