//! The `atoll` command.
//!
//! Each command is a file in [`commands`], thin over the client of the public API. Data goes to standard output and
//! all the rest to standard error, both only through [`printer::Printer`].

mod app;
mod args;
mod argv;
mod commands;
mod context;
#[cfg(feature = "embed")]
mod embedded;
mod failure;
mod pairs;
mod printer;
#[cfg(test)]
mod reference;
mod refresh;
mod sandbox_ref;
mod session;
mod shell;
mod terminal;
mod units;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::main(std::env::args_os().collect())
}
