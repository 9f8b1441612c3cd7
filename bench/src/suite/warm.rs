//! Sandboxes that were made ahead.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{WARM_CLAIM, WARM_P50, remove_idle};
use crate::Args;
use crate::atoll::Server;
use crate::report::Report;
use crate::stats::Series;

/// Sandboxes that are kept ready.
const POOL: &str = "20";
/// Time in which the pool is filled: at the start, and after each claim. What fills it would run beside the next claim.
const FILL: Duration = Duration::from_secs(2);
const REFILL: Duration = Duration::from_millis(50);

/// From the request for a sandbox to its answer. That it is a real one is seen by a command, which is not timed.
pub(super) fn measure(
    args: &Args,
    program: &Path,
    scratch: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let server = Server::start_with(program, scratch, &["--warm-pool", POOL])?;
    let measured = claims(&server, args.count);
    let stopped = server.stop();
    remove_idle(scratch);
    let mut times = measured?;
    report.series(Series::new(WARM_CLAIM, times.clone()));
    times.sort_unstable();
    let p50 = times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64);
    report.single(WARM_P50, p50 * 1e3);
    stopped
}

fn claims(server: &Server, count: usize) -> anyhow::Result<Vec<Duration>> {
    let mut client = server.client()?;
    std::thread::sleep(FILL);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        let sandbox = client.create()?;
        times.push(started.elapsed());
        let output = client.exec(&sandbox, &["/bin/echo", "ready"])?;
        ensure!(output == "ready\n", "echo said {output:?}");
        client.delete(&sandbox)?;
        std::thread::sleep(REFILL);
    }
    Ok(times)
}
