//! `atoll password`

use std::io::{BufRead as _, Read as _};
use std::process::ExitCode;

use anyhow::Context as _;
use atoll_api_types::ChangePassword;

use super::Call;
use crate::terminal;

/// Longest pair of passwords that is read from standard input, in bytes.
const SECRETS_BYTES_MAX: u64 = 16 << 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Read the password until now and the new one from two lines of standard input instead of asking for them.
    #[arg(long)]
    passwords_stdin: bool,
}

pub(crate) async fn run(args: Args, call: &Call) -> anyhow::Result<ExitCode> {
    let (current_password, new_password) = if args.passwords_stdin {
        let input = std::io::stdin().lock().take(SECRETS_BYTES_MAX);
        let mut lines = input.lines();
        let mut line =
            || lines.next().context("standard input ends: two lines were expected")?.context("cannot read");
        (line()?, line()?)
    } else {
        let current = terminal::ask_secret(call.printer, "Password until now: ").await?;
        (current, terminal::ask_secret(call.printer, "New password: ").await?)
    };
    let user = call.client.password_change(&ChangePassword { current_password, new_password }).await?;
    call.printer.data(&user, String::new)?;
    call.printer.note(&format!("the password of {} is changed; its other log-ins are over", user.email));
    Ok(ExitCode::SUCCESS)
}
