//! The same beside more and more sandboxes.

use std::time::{Duration, Instant};

use crate::atoll::Client;
use crate::report::{Goal, Report};
use crate::stats::Series;

/// How many are alive, and what that is called: the first is what the others are compared with.
const CROWDS: [(usize, &str); 3] = [(0, "none alive"), (500, "500 alive"), (1_000, "1000 alive")];
/// What is timed of each sandbox that comes and goes beside them.
const TIMED: [&str; 3] = ["create alone", "second exec", "delete"];
/// How often all crowds come in turn: a machine's minutes differ by more than what is looked for.
const ROUNDS: usize = 4;
/// The machine comes to rest after the largest crowd has gone.
const REST: Duration = Duration::from_secs(5);
/// Largest growth of a median from an empty to a full machine.
const FULL_RATIO: f64 = 1.5;

type Times = [Vec<Duration>; TIMED.len()];

/// Each crowd a slice of `count` sandboxes one after the other, then all again.
pub(super) fn measure(client: &mut Client, count: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut times: [Times; CROWDS.len()] = Default::default();
    for _ in 0..ROUNDS {
        std::thread::sleep(REST);
        let mut alive = Vec::new();
        for ((size, _), times) in CROWDS.iter().zip(&mut times) {
            while alive.len() < *size {
                alive.push(client.create()?);
            }
            come_and_go(client, count.div_ceil(ROUNDS), times)?;
        }
        alive.iter().try_for_each(|sandbox| client.delete(sandbox))?;
    }
    for ((_, when), times) in CROWDS.into_iter().zip(times) {
        for (what, times) in TIMED.into_iter().zip(times) {
            report.series(Series::new(name(what, when), times));
        }
    }
    Ok(())
}

fn name(what: &str, when: &str) -> String {
    format!("atoll: {what}, {when}")
}

/// Sandboxes that are made, used once warm, and deleted.
fn come_and_go(client: &mut Client, count: usize, times: &mut Times) -> anyhow::Result<()> {
    let [creates, execs, deletes] = times;
    let mut clock = Instant::now();
    let mut lap = || std::mem::replace(&mut clock, Instant::now()).elapsed();
    for _ in 0..count {
        lap();
        let sandbox = client.create()?;
        creates.push(lap());
        client.exec(&sandbox, &["true"])?;
        lap();
        client.exec(&sandbox, &["true"])?;
        execs.push(lap());
        client.delete(&sandbox)?;
        deletes.push(lap());
    }
    Ok(())
}

/// The goals.
pub(super) fn judge(report: &mut Report) {
    let goals = [
        ("create: 500 alive to none alive", "create alone", "500 alive"),
        ("create: 1000 alive to none alive", "create alone", "1000 alive"),
        ("exec: 1000 alive to none alive", "second exec", "1000 alive"),
        ("delete: 1000 alive to none alive", "delete", "1000 alive"),
    ];
    for (goal, what, when) in goals {
        report.at_most(Goal::Ratio(FULL_RATIO), goal, &name(what, when), &name(what, "none alive"));
    }
}
