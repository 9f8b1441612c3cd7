//! Children that wait for a command, and the one that makes them.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::harness::{Agent, argv, shell, soon, until};

/// More than have a place in the memory of the one that makes them.
const MANY: usize = 40;
/// Several times what that place holds, and below what one argument may be.
const LARGE_BYTES: usize = 100_000;

/// Of each child that waits, what a file of `/proc` says.
fn told(agent: &Agent, file: &str) -> Vec<String> {
    let id = agent.process.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    let waits = |child: &&str| {
        std::fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name == "atoll-spare\n")
    };
    let read = |child| std::fs::read_to_string(format!("/proc/{child}/{file}")).unwrap_or_default();
    children.split_whitespace().filter(waits).map(read).collect()
}

/// Pages of address space of the largest.
fn largest(agent: &Agent) -> usize {
    let pages = |statm: &String| statm.split_whitespace().next()?.parse().ok();
    told(agent, "statm").iter().filter_map(pages).max().unwrap_or_default()
}

#[tokio::test]
async fn all_that_wait_are_in_one_memory() {
    let agent = Agent::plain();
    let alike = |memories: &[String]| memories.iter().collect::<BTreeSet<_>>().len() == 1;
    for round in 0..5 {
        until("there are two, which share theirs", async || {
            let memories = told(&agent, "maps");
            memories.len() >= 2 && alike(&memories)
        })
        .await;
        assert_eq!(soon(agent.sh(&format!("echo {round}"))).await.out(), format!("{round}\n"));
    }
}

#[tokio::test]
async fn of_many_commands_at_once_each_is_its_own() {
    let agent = Agent::plain();
    let run = async |n: usize| {
        let line = format!("cd /usr; printf '%s ' {n} $$; no-such-{n}; exit {}", n % 100);
        let mut start = shell(&line);
        start.user = format!("{}:77", 3_000 + n).parse().unwrap();
        let ran = soon(agent.run(start)).await;
        assert!(ran.out().starts_with(&format!("{n} ")), "{n}: {}", ran.out());
        assert!(ran.err().contains(&format!("no-such-{n}:")), "{n}: {}", ran.err());
        assert_eq!(ran.code(), i32::try_from(n % 100).unwrap());
        let missing = soon(agent.run(argv(&[&format!("none-{n}")]))).await;
        assert_eq!((missing.err(), missing.code()), (&*format!("atoll: none-{n}: not found\n"), 127));
        ran.out().to_owned()
    };
    let pids = join_all((0..MANY).map(run)).await;
    assert_eq!(pids.iter().collect::<BTreeSet<_>>().len(), MANY);
}

#[tokio::test]
async fn a_large_command_stays_in_nobodys_memory() {
    let agent = Agent::plain();
    let large = "x".repeat(LARGE_BYTES);
    let ran = soon(agent.run(argv(&["sh", "-c", "printf %s \"$1\" | wc -c", "sh", &large]))).await;
    assert_eq!(ran.out().trim(), LARGE_BYTES.to_string());
    // What it was told in is given back with the next birth, in whichever place.
    let small = async || assert_eq!(soon(agent.sh("echo small")).await.out(), "small\n");
    let mut before = 0;
    until("two wait, as large as ever", async || {
        small().await;
        let was = std::mem::replace(&mut before, largest(&agent));
        was == before && told(&agent, "comm").len() >= 2
    })
    .await;
    for _ in 0..12 {
        assert_eq!(soon(agent.run(argv(&["true", &large]))).await.code(), 0);
    }
    until("nothing more is mapped", async || {
        small().await;
        largest(&agent) <= before
    })
    .await;
}
