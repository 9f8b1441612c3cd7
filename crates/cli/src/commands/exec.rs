//! `atoll exec`

use std::process::ExitCode;

use super::Call;
use super::process::Process;
use crate::sandbox_ref;
use crate::session::{self, Outcome, Signals};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id or name of the sandbox; `-id ID` works too.
    #[arg(value_name = "SANDBOX")]
    pub(crate) sandbox: String,
    /// Do not wait: print the id of the exec.
    #[arg(long, short)]
    detach: bool,
    #[command(flatten)]
    process: Process,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let sandbox = sandbox_ref::resolve(&call.client, &args.sandbox).await?;
    let stdin = args.process.stdin();
    let body = args.process.into_body();
    if args.detach {
        let exec = call.client.exec_start(&sandbox, &body).await?;
        call.printer.data(&exec, || exec.id.clone())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut signals = Signals::install()?;
    let outcome = session::run(call, &sandbox, body, stdin, &mut signals).await?;
    if let Outcome::GivenUp(exec) = &outcome {
        let exec = exec.as_ref().map_or("the command", |exec| exec.as_str());
        call.printer.note(&format!("given up: {exec} may still run in sandbox {sandbox}"));
    }
    Ok(outcome.exit_code())
}
