//! Generators and checks of the repository.
#![expect(clippy::print_stdout, reason = "a build tool talks to the person at the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cargo;
mod check_deps;
mod dist;
mod docs;
mod house;
mod lint_exceptions;

/// Work on the repository itself.
#[derive(Debug, Parser)]
#[command(name = "xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Check that every crate imports downward only, and keeps to its room.
    CheckDeps,
    /// Write the documents that are made from the code.
    Docs {
        /// Write nothing; fail when they are not what the code says, or a link leads nowhere.
        #[arg(long)]
        check: bool,
    },
    /// Build the small programs statically into the target folder's `dist`.
    Dist {
        /// Build `atoll` too, with the small programs inside it.
        #[arg(long)]
        embed: bool,
        /// Cargo profile of the embedded `atoll`.
        #[arg(long, default_value = "release", requires = "embed")]
        profile: String,
        /// Also copy the finished `atoll` to this path.
        #[arg(long, requires = "embed")]
        output: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let workspace = cargo::Workspace::load()?;
    match Args::parse().task {
        Task::CheckDeps => check_deps::run(&workspace),
        Task::Docs { check } => docs::run(&workspace, check),
        Task::Dist { embed, profile, output } => {
            dist::programs(&workspace)?;
            if embed {
                dist::embedded(&workspace, &profile, output.as_deref())?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
