//! `docs/cli.md` is what the commands say of themselves. `UPDATE=1 cargo nextest run -p atoll-cli` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::args::Cli;

/// Columns of the reference, so that it does not depend on anybody's terminal.
const COLUMNS: usize = 100;

fn describe(command: &mut Command, path: &str, text: &mut String) {
    let help = command.clone().term_width(COLUMNS).render_long_help();
    let help: Vec<_> = help.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    let _infallible = write!(text, "\n## {path}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    for inner in command.get_subcommands_mut() {
        let path = format!("{path} {}", inner.get_name());
        if !path.ends_with(" help") {
            describe(inner, &path, text);
        }
    }
}

#[test]
fn the_reference_is_what_the_commands_say() {
    let mut command = Cli::command();
    command.build();
    let mut text = String::from(
        "# The command line\n\nMade from the commands' own help: `UPDATE=1 cargo nextest run -p atoll-cli reference` writes it anew.\n",
    );
    describe(&mut command, "atoll", &mut text);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &text).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == text,
        "docs/cli.md is not up to date: UPDATE=1 cargo nextest run -p atoll-cli reference"
    );
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}
