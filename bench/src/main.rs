//! Measures Atoll beside its peers and beside the floor of the kernel, in one run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints what it measured")]

mod atoll;
mod floor;
mod floor_run;
mod http;
mod memory;
mod peers;
mod process;
mod report;
mod stats;
mod suite;
mod typing;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::report::Report;

/// Measures Atoll beside Docker, runc, bubblewrap and the floor. Needs root and a quiet machine.
#[derive(Debug, Parser)]
#[command(name = "atoll-bench")]
struct Args {
    /// The program to measure; without it only the peers and the floor are.
    #[arg(long)]
    atoll: Option<PathBuf>,
    /// How often each thing is done, at least.
    #[arg(long, default_value_t = 200)]
    count: usize,
    /// Sandboxes that are made and deleted to see what they leave behind: about as many as a busy day has.
    #[arg(long, default_value_t = 50_000)]
    churn: usize,
    /// Measure only what has this word in its name: local, floor, docker, runc, bubblewrap, atoll,
    /// typing, cp, warm, records, churn.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Put the tables into this document, between its two marks.
    #[arg(long)]
    write: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// One process of the floor program: prints the time of each sandbox, in nanoseconds.
    #[command(hide = true)]
    Floor(floor::Options),
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(Part::Floor(options)) = &args.part {
        for time in floor::run(options)? {
            println!("{}", time.as_nanos());
        }
        return Ok(());
    }
    anyhow::ensure!(
        rustix::process::geteuid().is_root(),
        "the benchmark makes namespaces and mounts: run it as root"
    );
    // The server drops its rights, so it must be able to walk through this folder.
    let scratch = tempfile::Builder::new()
        .prefix("atoll-bench-")
        .permissions(Permissions::from_mode(0o711))
        .tempdir()
        .context("a folder for the benchmark")?;
    let mut report = Report::new()?;
    suite::run(&args, scratch.path(), &mut report)?;
    println!("{}", report.markdown());
    if let Some(document) = &args.write {
        report.write_into(document)?;
    }
    anyhow::ensure!(!report.has_failed(), "a part of the benchmark failed: see the notes above");
    Ok(())
}
