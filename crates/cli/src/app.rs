//! From the command line to an exit status.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use crate::args::{Cli, Command};
use crate::commands::{self, Call};
use crate::failure::{Report, is_broken_pipe};
use crate::printer::Printer;
use crate::{argv, context};

/// A command failed.
const FAILED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// `run` and `exec`: Atoll failed, not the command; the number that Docker has for it.
const ATOLL_FAILED: u8 = 125;
/// As a program that SIGPIPE ends: nobody reads our output any more.
const PIPE_CLOSED: u8 = 128 + 13;

pub(crate) fn main(argv: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(argv::normalize(argv)) {
        Ok(cli) => cli,
        Err(error) => {
            Printer::usage(&error);
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let printer = Printer::new(cli.global.output);
    let sandbox = cli.command.sandbox().map(str::to_owned);
    let failure = if cli.command.passes_status_through() { ATOLL_FAILED } else { FAILED };
    match perform(cli, printer) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => PIPE_CLOSED.into(),
        Err(error) => {
            printer.error(&Report::new(&error, sandbox.as_deref()));
            failure.into()
        }
    }
}

fn perform(cli: Cli, printer: Printer) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    let command = match command {
        // These two build their own surroundings: serve becomes other processes, so no thread may exist yet.
        #[cfg(feature = "serve")]
        Command::Serve(args) => return Ok(commands::serve::run(*args)),
        #[cfg(feature = "serve")]
        Command::Doctor(args) => return commands::doctor::run(&args, printer),
        Command::Completions(args) => return commands::completions::run(&args, printer),
        command => command,
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let result = runtime.block_on(Box::pin(async {
        match command {
            Command::Login(args) => commands::login::run(args, &global, printer).await,
            Command::Logout => commands::logout::run(printer).await,
            Command::Config(args) => commands::config::run(args, &global, printer).await,
            Command::Version => commands::version::run(&context::client(&global).await?, printer).await,
            command => in_sandboxes(command, Call { client: context::client(&global).await?, printer }).await,
        }
    }));
    // A thread may still wait for standard input: it must not hold us.
    runtime.shutdown_background();
    result
}

async fn in_sandboxes(command: Command, call: Call) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => commands::run::run(*args, &call).await,
        Command::Create(args) => commands::create::run(*args, &call).await,
        Command::Ls(args) => commands::ls::run(args, &call).await,
        Command::Get(args) => commands::get::run(args, &call).await,
        Command::Exec(args) => commands::exec::run(*args, &call).await,
        Command::Shell(args) => commands::shell::run(*args, &call).await,
        Command::Logs(args) => commands::logs::run(args, &call).await,
        Command::Start(args) => commands::change::start(args, &call).await,
        Command::Stop(args) => commands::change::stop(args, &call).await,
        Command::Restart(args) => commands::change::run(args, commands::change::Change::Restart, &call).await,
        Command::Keepalive(args) => {
            commands::change::run(args, commands::change::Change::Keepalive, &call).await
        }
        Command::Pause(args) => commands::change::run(args, commands::change::Change::Pause, &call).await,
        Command::Resume(args) => commands::change::run(args, commands::change::Change::Resume, &call).await,
        Command::Top(args) => commands::top::run(args, &call).await,
        Command::Rm(args) => commands::rm::run(args, &call).await,
        Command::Image(args) => commands::image::run(args, &call).await,
        Command::Cp(args) => commands::cp::run(args, &call).await,
        Command::Job(args) => commands::job::run(args, &call).await,
        Command::Env(args) => commands::env::run(args, &call).await,
        Command::Secret(args) => commands::secret::run(args, &call).await,
        Command::Replicate(args) => commands::replicate::run(*args, &call).await,
        Command::Key(args) => commands::key::run(args, &call).await,
        Command::Whoami => commands::whoami::run(&call).await,
        Command::Usage => commands::usage::run(&call).await,
        Command::Audit(args) => commands::audit::run(args, &call).await,
        Command::Events(args) => commands::events::run(args, &call).await,
        Command::Password(args) => commands::password::run(args, &call).await,
        Command::Session(args) => commands::session::run(args, &call).await,
        Command::Admin(args) => commands::admin::run(args, &call).await,
        #[cfg(feature = "serve")]
        Command::Serve(_) | Command::Doctor(_) => anyhow::bail!("this command has no client"),
        Command::Login(_)
        | Command::Logout
        | Command::Config(_)
        | Command::Completions(_)
        | Command::Version => {
            anyhow::bail!("this command has no client")
        }
    }
}
