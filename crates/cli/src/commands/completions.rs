//! `atoll completions`

use std::process::ExitCode;

use atoll_types::OutputStream;
use clap::{CommandFactory, ValueEnum};
use clap_complete::{Shell as Generator, generate};

use crate::args::Cli;
use crate::printer::Printer;

const AFTER: &str = "\
For every shell that starts from now on:
  bash  atoll completions bash > ~/.local/share/bash-completion/completions/atoll
  zsh   atoll completions zsh > ~/.zfunc/_atoll     (with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc)
  fish  atoll completions fish > ~/.config/fish/completions/atoll.fish
For this one: `source <(atoll completions bash)`.";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Which shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Shells whose completions are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(args: &Args, printer: Printer) -> anyhow::Result<ExitCode> {
    let shell = match args.shell {
        Shell::Bash => Generator::Bash,
        Shell::Zsh => Generator::Zsh,
        Shell::Fish => Generator::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "atoll", &mut script);
    printer.bytes(OutputStream::Stdout, &script)?;
    Ok(ExitCode::SUCCESS)
}
