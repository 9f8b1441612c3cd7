//! Runs the floor in processes of its own: a small program forks faster than a large one.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// One after the other, removed in twenties.
pub(crate) fn one_by_one(pool: &Path, count: usize) -> anyhow::Result<Vec<Duration>> {
    times(start(pool, count, 0, None)?)
}

/// The same, each with a network.
pub(crate) fn one_by_one_with_network(pool: &Path, count: usize) -> anyhow::Result<Vec<Duration>> {
    times(start(pool, count, 0, Some("--network"))?)
}

/// `count` in all by `workers` at the same time, all alive in the end: the time until all have spoken.
pub(crate) fn at_once(pool: &Path, count: usize, workers: usize) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let running: Vec<_> = (0..workers)
        .map(|worker| start(pool, count / workers, worker, Some("--keep")))
        .collect::<anyhow::Result<_>>()?;
    // Each prints after it has removed its own, so the sum of what it timed is what counts, beside its start.
    let mut longest = Duration::ZERO;
    for child in running {
        longest = longest.max(times(child)?.into_iter().sum());
    }
    ensure!(longest <= started.elapsed(), "the floor's clock is wrong");
    Ok(longest)
}

fn start(pool: &Path, count: usize, worker: usize, flag: Option<&str>) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe().context("the own program")?);
    command.arg("floor").arg("--pool").arg(pool).args([
        "--count",
        &count.to_string(),
        "--worker",
        &worker.to_string(),
    ]);
    command
        .args(flag)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting the floor")
}

fn times(child: Child) -> anyhow::Result<Vec<Duration>> {
    let output = child.wait_with_output().context("waiting for the floor")?;
    ensure!(output.status.success(), "the floor failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("the floor's output")?;
    text.lines().map(|line| Ok(Duration::from_nanos(line.parse().context("the floor's output")?))).collect()
}
