//! `docs/escape-suite.md`: its table is made from the attempts and from what Docker says here.

use super::Verdicts;
use super::program::{Attempt, Flag, Program};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/escape-suite.md");
/// Where the table begins; everything before it is written by hand.
const BEGIN: &str = "| attempt |";

fn row(one: &Attempt, theirs: &Verdicts) -> String {
    let ours = if one.expected.is_empty() { "blocked".to_owned() } else { one.expected.join(" or ") };
    let docker = match theirs.get(&one.name) {
        _ if one.has(Flag::HostImage) => "—",
        Some(verdict) if verdict.is_blocked() => "blocked",
        Some(_) => "**open**",
        None => "—",
    };
    let users = match (one.has(Flag::Root), one.has(Flag::User)) {
        (true, _) => "root",
        (_, true) => "user",
        _ => "both",
    };
    format!("| `{}` | {users} | {} | {} | {ours} | {docker} |\n", one.name, one.tried, one.escape)
}

fn table(program: &Program, root: &Verdicts, user: &Verdicts) -> String {
    let mut table = format!(
        "{BEGIN} as | what is tried | an escape if | Atoll | Docker |\n| --- | --- | --- | --- | --- | --- |\n"
    );
    for one in &program.attempts {
        table.push_str(&row(one, if one.has(Flag::User) { user } else { root }));
    }
    let open = table.matches("**open**").count();
    let sum = format!(
        "\n{} attempts; Atoll blocks all, Docker's default container leaves {open} open.\n",
        program.attempts.len()
    );
    table + &sum
}

/// Compares, or writes where `WRITE=1` asks for it.
pub(super) fn is_up_to_date(program: &Program, root: &Verdicts, user: &Verdicts) {
    let text = std::fs::read_to_string(DOCUMENT).unwrap_or_else(|error| panic!("{DOCUMENT}: {error}"));
    let (head, old) = text.split_at(text.find(BEGIN).unwrap_or(text.len()));
    let new = table(program, root, user);
    if std::env::var_os("WRITE").is_some() {
        std::fs::write(DOCUMENT, head.to_owned() + &new).unwrap();
    } else {
        let differ = new.lines().filter(|line| !old.lines().any(|other| other == *line)).collect::<Vec<_>>();
        assert!(
            old == new,
            "docs/escape-suite.md is not what was found (WRITE=1 writes it):\n{}",
            differ.join("\n")
        );
    }
}
