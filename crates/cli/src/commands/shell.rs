//! `atoll shell`

use std::process::ExitCode;

use anyhow::Context as _;
use atoll_client::TerminalOptions;
use atoll_types::{ExecId, TerminalName};

use super::Call;
use crate::{sandbox_ref, shell};

/// Time that a shell without a name of its own outlives a lost connection, in seconds: a lift, a suspended laptop, an
/// upgrade of the server.
const LINGER_SECONDS: u64 = 15 * 60;

const AFTER: &str = "\
The shell ends with `exit` or Ctrl-D, and its exit status is passed on.
Enter, then `~.` leaves it as it is; so does the end of this command. `--name` finds it again.";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Id or name of the sandbox; `-id ID` works too.
    #[arg(value_name = "SANDBOX")]
    pub(crate) sandbox: String,
    /// Terminal that everybody who gives this name shares, and that stays; else a new one.
    #[arg(long, short, value_name = "NAME")]
    name: Option<TerminalName>,
    /// User as whom the shell of a new terminal runs, such as `root`.
    #[arg(long, short)]
    user: Option<String>,
    /// Folder in which it starts [default: the user's home].
    #[arg(long, short, value_name = "PATH")]
    workdir: Option<String>,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let sandbox = sandbox_ref::resolve(&call.client, &args.sandbox).await?;
    let linger_seconds = args.name.is_none().then_some(LINGER_SECONDS);
    let name = match args.name {
        Some(name) => name,
        None => format!("shell-{}", ExecId::random()).parse().context("cannot name the terminal")?,
    };
    let options = TerminalOptions {
        name: Some(name.clone()),
        size: shell::window_size(),
        user: args.user,
        cwd: args.workdir,
        term: shell::terminal_kind(),
        linger_seconds,
    };
    let (keyboard, screen) = call.client.terminal(&sandbox, options);
    // It holds buffers, which are better on the heap.
    match Box::pin(shell::run(call.printer, keyboard, screen)).await? {
        shell::Outcome::Exited(code) => Ok(code.into()),
        shell::Outcome::Left(code) => {
            call.printer.note(&format!("left: `atoll shell {sandbox} --name {name}` comes back"));
            Ok(code.into())
        }
    }
}
