//! The escape suite: every way out that we know, tried by a program of our own, and the same in Docker's default container.
//!
//! The program is in `program/`, in C since half of it is system calls that no library offers; its tables name each attempt,
//! what counts as an escape, and how Atoll answers. Each attempt is shown to succeed where nothing confines it. The table
//! of results is `docs/escape-suite.md`; `WRITE=1` writes it.

mod counts;
mod docker;
mod document;
mod engines;
mod program;
mod tried;

use std::collections::BTreeMap;

use program::{Attempt, Flag, Neighbour, Program, Verdict};
use tried::{Made, Tried};

use crate::harness::{Atoll, HOST, Internet};

/// Fewer means that something was lost.
const LEAST_ATTEMPTS: usize = 60;
/// What the control may fail to show for want of a right or of a part of the kernel.
const MOST_LACKING: usize = 40;

/// By name of the attempt.
type Verdicts = BTreeMap<String, Verdict>;

/// Fails with every attempt that did not end as it should, not only the first.
fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// Those that are not refused, or, for root, not in the way that the table says.
fn not_refused(program: &Program, user: &str, verdicts: &Verdicts, ignored: Option<Flag>) -> Vec<String> {
    let wanted = program
        .attempts
        .iter()
        .filter(|one| one.is_tried_as(user) && !ignored.is_some_and(|flag| one.has(flag)));
    wanted
        .filter_map(|one| {
            let verdict = verdicts.get(&one.name);
            let as_expected = match verdict {
                Some(Verdict::Blocked(how)) => {
                    one.expected.is_empty() || !one.says_how(user) || one.expected.contains(how)
                }
                _ => false,
            };
            (!as_expected)
                .then(|| format!("{} as {user}: {verdict:?}, expected {:?}", one.name, one.expected))
        })
        .collect()
}

#[tokio::test]
async fn every_attempt_succeeds_where_nothing_confines_it() {
    let program = Program::build();
    assert!(program.attempts.len() >= LEAST_ATTEMPTS, "{}", program.attempts.len());
    let verdicts = program.control();
    let is_shown = |one: &&Attempt| matches!(verdicts.get(&one.name), Some(Verdict::Open(_)));
    let (shown, rest): (Vec<_>, Vec<_>) = program.attempts.iter().partition(is_shown);
    let wrong: Vec<String> = rest
        .iter()
        .filter(|one| {
            !one.has(Flag::Lacking) || !matches!(verdicts.get(&one.name), Some(Verdict::Blocked(_)))
        })
        .map(|one| format!("{}: {:?}", one.name, verdicts.get(&one.name)))
        .collect();
    assert_none("attempts that cannot succeed prove nothing", &wrong);
    assert!(
        rest.len() <= MOST_LACKING,
        "this host shows too few of them: {} of {}",
        shown.len(),
        program.attempts.len()
    );
}

/// Both users in a sandbox of the host's image, beside a neighbour.
async fn all_is_refused(atoll: &Atoll, network: &'static str, addresses: &[String]) {
    let program = Program::build();
    let host = Neighbour::on_host(&program);
    let mut tried = Tried::new(atoll, &program, &host, Made::natively("host", network)).await;
    tried.addresses.extend_from_slice(addresses);
    let mut wrong = Vec::new();
    for user in ["root", "agent"] {
        wrong.extend(not_refused(&program, user, &tried.all(user, &program).await, None));
    }
    assert_none("ways out", &wrong);
    tried.is_well().await;
}

#[tokio::test]
async fn there_is_no_way_out_of_a_sandbox_of_the_hosts_image() {
    let atoll = Atoll::start().await;
    all_is_refused(&atoll, "none", &[]).await;
    atoll.finish().await;
}

#[tokio::test]
async fn there_is_no_way_out_of_a_sandbox_with_a_network() {
    let _internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let near = [format!("{HOST}:8088"), "10.66.0.1:80".to_owned()];
    all_is_refused(&atoll, "all", &near).await;
    atoll.finish().await;
}

#[tokio::test]
async fn atoll_is_weaker_than_docker_in_nothing() {
    let program = Program::build();
    let host = Neighbour::on_host(&program);
    let docker = docker::Docker::start(&program);
    let mut theirs = docker.all(&host);
    let atoll = Atoll::start().await;
    let tried = Tried::new(&atoll, &program, &host, Made::natively("escape", "none")).await;
    let mut wrong = Vec::new();
    for user in ["root", "agent"] {
        let ours = tried.all(user, &program).await;
        wrong.extend(not_refused(&program, user, &ours, Some(Flag::HostImage)));
        for (name, their) in &theirs[user] {
            if their.is_blocked() && !ours.get(name).is_none_or(Verdict::is_blocked) {
                wrong.push(format!("{name} as {user}: {:?}, and Docker {their:?}", ours.get(name)));
            }
        }
    }
    assert_none("Atoll is weaker", &wrong);
    tried.is_well().await;
    atoll.delete_all().await;
    assert!(atoll.cli(&["image", "rm", "escape"]).status.success());
    atoll.finish().await;
    document::is_up_to_date(&program, &theirs.remove("root").unwrap(), &theirs["agent"]);
}
