//! What is measured of Atoll.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use super::turns::{ECHO, first_outputs};
use super::{ATOLL_CREATE, ATOLL_EXEC, ATOLL_EXEC_ALONE, ATOLL_NETWORK, LOCAL_EXEC, MANY, crowd};
use crate::atoll::{Client, Server};
use crate::peers::local;
use crate::report::Report;
use crate::stats::Series;
use crate::{Args, memory};

/// In which commands in a sandbox and on the host take turns, and after which new sandboxes are removed.
const SLICES: usize = 10;
/// Commands in each sandbox before its memory is looked at.
const EXECS_BEFORE_MEMORY: usize = 100;
/// The machine comes to rest before memory is read.
const REST: Duration = Duration::from_secs(5);

/// One after the other, so that nothing runs beside what is measured.
pub(super) fn measure(args: &Args, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let mut client = server.client()?;
    for (name, network) in [(ATOLL_CREATE, "none"), (ATOLL_NETWORK, "all")] {
        let body = json!({"image": "host", "network": network});
        let mut times = Vec::new();
        for _ in 0..SLICES {
            times.extend(first_outputs(&mut client, &body, &ECHO, args.count.div_ceil(SLICES))?);
        }
        report.series(Series::new(name, times));
    }
    report.single("atoll: 100 at once", at_once(server, &mut client)?.as_secs_f64() * 1e3);
    // As the peers have it: one container for docker exec, nothing else for a local process.
    let alone = [client.create()?];
    beside_local(&mut client, &alone, args.count * 5, report)?;
    client.delete(&alone[0])?;

    std::thread::sleep(REST);
    let (pss, available) = (memory::pss_of_tree(server.pid())?, memory::available()?);
    let alive: Vec<_> = (0..MANY).map(|_| client.create()).collect::<anyhow::Result<_>>()?;
    report.series(Series::new(ATOLL_EXEC, exec_in_all(&mut client, &alive, EXECS_BEFORE_MEMORY)?));
    std::thread::sleep(REST);
    // A fall below zero means that something else on the machine gave memory back: it is shown, not hidden.
    let mib_each = |more: u64, less: u64| (more as f64 - less as f64) / MANY as f64 / f64::from(1 << 20);
    let (pss_after, available_after) = (memory::pss_of_tree(server.pid())?, memory::available()?);
    report.single("atoll: MiB of PSS per idle sandbox", mib_each(pss_after, pss));
    report.single("atoll: MiB of MemAvailable per idle sandbox", mib_each(available, available_after));

    alive.iter().try_for_each(|sandbox| client.delete(sandbox))?;
    crowd::measure(&mut client, args.count, report)
}

/// The goals that have no peer.
pub(super) fn judge(report: &mut Report) {
    report.value_at_most(2.0, "MiB of PSS per idle sandbox", "atoll: MiB of PSS per idle sandbox");
    report.value_at_most(
        4.0,
        "MiB of MemAvailable per idle sandbox",
        "atoll: MiB of MemAvailable per idle sandbox",
    );
    crowd::judge(report);
}

/// Commands in the sandbox and on the host in turn, slice by slice: both meet the same minutes of the machine.
fn beside_local(
    client: &mut Client,
    alone: &[String],
    count: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut local, mut ours) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let slice = count.div_ceil(SLICES);
    for _ in 0..SLICES {
        local.extend(local::exec_true(slice)?);
        // One more, since the first is not counted.
        ours.extend(exec_in_all(client, alone, slice + 1)?);
    }
    report.series(Series::new(LOCAL_EXEC, local));
    report.series(Series::new(ATOLL_EXEC_ALONE, ours));
    Ok(())
}

/// Round by round through all sandboxes, so that no single one is warm.
fn exec_in_all(client: &mut Client, sandboxes: &[String], rounds: usize) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(sandboxes.len() * rounds);
    for round in 0..rounds {
        for sandbox in sandboxes {
            let started = Instant::now();
            client.exec(sandbox, &["true"])?;
            // The first round opens the channels.
            if round > 0 {
                times.push(started.elapsed());
            }
        }
    }
    Ok(times)
}

/// A hundred clients, each with a connection that is open already: the time until all have their first output.
fn at_once(server: &Server, cleaner: &mut Client) -> anyhow::Result<Duration> {
    let clients: Vec<_> = (0..MANY).map(|_| server.client()).collect::<anyhow::Result<_>>()?;
    let started = Instant::now();
    let made: Vec<anyhow::Result<String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                scope.spawn(move || {
                    let sandbox = client.create()?;
                    client.exec(&sandbox, &["/bin/echo", "ready"])?;
                    Ok(sandbox)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a thread ended")))
            .collect()
    });
    let elapsed = started.elapsed();
    for sandbox in made {
        cleaner.delete(&sandbox.context("one of a hundred at once")?)?;
    }
    Ok(elapsed)
}
