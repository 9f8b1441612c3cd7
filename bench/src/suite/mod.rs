//! What is measured, in which order.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::atoll::{Client, Server};
use crate::floor::Pool;
use crate::peers::docker::{Docker, Network};
use crate::peers::{self, local, oci, repeat};
use crate::report::{Goal, Report};
use crate::stats::Series;
use crate::{Args, floor_run, memory};

/// Sandboxes at once, in the rows that say so.
const MANY: usize = 100;
/// Sandboxes alive in the row about a full machine.
const CROWD: usize = 500;
/// Processes of the floor, and of whoever else works in parallel: the cores of the reference machine.
const PARALLEL: usize = 2;
/// Commands in each sandbox before its memory is looked at.
const EXECS_BEFORE_MEMORY: usize = 100;
/// The machine comes to rest before memory is read.
const REST: Duration = Duration::from_secs(5);

const FLOOR_CREATE: &str = "floor: sandbox to first byte";
const LOCAL_EXEC: &str = "local fork and exec of true";
const DOCKER_CREATE: &str = "docker run to first byte";
const DOCKER_CREATE_NONE: &str = "docker run --network=none to first byte";
const DOCKER_EXEC: &str = "docker exec of true";
const ATOLL_CREATE: &str = "atoll: create through HTTP to first output";
const ATOLL_EXEC_ALONE: &str = "atoll: exec of true through HTTP, one alive";
const ATOLL_EXEC: &str = "atoll: exec of true through HTTP, 100 alive";

/// Measures everything that is asked for. What is absent is said, and does not stop the rest.
pub(crate) fn run(args: &Args, scratch: &Path, report: &mut Report) -> anyhow::Result<()> {
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|word| word == name);
    let rootfs = scratch.join("rootfs");
    peers::make_rootfs(&rootfs)?;
    if wanted("local") {
        report.series(Series::new(LOCAL_EXEC, local::exec_true(args.count * 5)?));
    }
    if wanted("floor") {
        floor(args, scratch, report)?;
    }
    for (name, program) in [("bubblewrap", "bwrap"), ("runc", "runc")] {
        if wanted(name) && !peers::is_there(program) {
            report.note(format!("{program} is not installed"));
        } else if wanted(name) {
            let times = if name == "runc" {
                oci::runc(scratch, &rootfs, args.count)
            } else {
                oci::bubblewrap(&rootfs, args.count)
            };
            report.series(Series::new(format!("{name}: sandbox to first byte"), times?));
        }
    }
    if let (Some(program), true) = (&args.atoll, wanted("atoll")) {
        let server = Server::start(program, scratch)?;
        let measured = atoll(args, &server, report);
        let stopped = server.stop();
        remove_idle(scratch);
        measured.and(stopped)?;
    }
    if wanted("docker") && !peers::is_there("dockerd") {
        report.note("Docker Engine is not installed".to_owned());
    } else if wanted("docker") {
        docker(args, scratch, &rootfs, report)?;
    }
    judge(report);
    Ok(())
}

fn floor(args: &Args, scratch: &Path, report: &mut Report) -> anyhow::Result<()> {
    let pool = Pool::prepare(scratch)?;
    let measured = floor_run::one_by_one(pool.root(), args.count)
        .and_then(|times| Ok((times, floor_run::at_once(pool.root(), MANY, PARALLEL)?)));
    pool.tear_down()?;
    let (times, together) = measured?;
    report.series(Series::new(FLOOR_CREATE, times));
    report.single("floor: 100 at parallelism 2", together.as_secs_f64() * 1e3);
    Ok(())
}

fn docker(args: &Args, scratch: &Path, rootfs: &Path, report: &mut Report) -> anyhow::Result<()> {
    let docker = Docker::start(scratch, rootfs)?;
    let measured = docker
        .create(Network::Default, args.count)
        .and_then(|create| Ok((create, docker.create(Network::None, args.count)?)))
        .and_then(|creates| Ok((creates, docker.exec(args.count)?, docker.create_at_once(MANY)?)));
    docker.stop()?;
    let ((create, create_none), exec, together) = measured?;
    report.series(Series::new(DOCKER_CREATE, create));
    report.series(Series::new(DOCKER_CREATE_NONE, create_none));
    report.series(Series::new(DOCKER_EXEC, exec));
    report.single("docker: 100 at once", together.as_secs_f64() * 1e3);
    Ok(())
}

fn atoll(args: &Args, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let mut client = server.client()?;
    report.series(Series::new(ATOLL_CREATE, cold_creates(&mut client, args.count)?));
    let first = creates(&mut client, args.count)?;
    report.series(Series::new("atoll: create alone, none alive", first));
    report.single("atoll: 100 at once", at_once(server, &mut client)?.as_secs_f64() * 1e3);
    // As the peers have it: one container for docker exec, nothing else for a local process.
    let alone = [client.create()?];
    report.series(Series::new(ATOLL_EXEC_ALONE, exec_in_all(&mut client, &alone, args.count * 5)?));
    client.delete(&alone[0])?;

    std::thread::sleep(REST);
    let (pss, available) = (memory::pss_of_tree(server.pid())?, memory::available()?);
    let mut alive: Vec<_> = (0..MANY).map(|_| client.create()).collect::<anyhow::Result<_>>()?;
    report.series(Series::new(ATOLL_EXEC, exec_in_all(&mut client, &alive, EXECS_BEFORE_MEMORY)?));
    std::thread::sleep(REST);
    // A fall below zero means that something else on the machine gave memory back: it is shown, not hidden.
    let mib_each = |more: u64, less: u64| (more as f64 - less as f64) / MANY as f64 / f64::from(1 << 20);
    let (pss_after, available_after) = (memory::pss_of_tree(server.pid())?, memory::available()?);
    report.single("atoll: MiB of PSS per idle sandbox", mib_each(pss_after, pss));
    report.single("atoll: MiB of MemAvailable per idle sandbox", mib_each(available, available_after));

    while alive.len() < CROWD {
        alive.push(client.create()?);
    }
    report.series(Series::new("atoll: create alone, 500 alive", creates(&mut client, args.count)?));
    alive.iter().try_for_each(|sandbox| client.delete(sandbox))
}

/// From the request for a sandbox to the answer with the first output of a command; removal is not timed.
fn cold_creates(client: &mut Client, count: usize) -> anyhow::Result<Vec<Duration>> {
    repeat(count, |_| {
        let started = Instant::now();
        let sandbox = client.create()?;
        let output = client.exec(&sandbox, &["/bin/echo", "ready"])?;
        let elapsed = started.elapsed();
        ensure!(output == "ready\n", "echo said {output:?}");
        client.delete(&sandbox)?;
        Ok(elapsed)
    })
}

fn creates(client: &mut Client, count: usize) -> anyhow::Result<Vec<Duration>> {
    repeat(count, |_| {
        let started = Instant::now();
        let sandbox = client.create()?;
        let elapsed = started.elapsed();
        client.delete(&sandbox)?;
        Ok(elapsed)
    })
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

/// The server leaves its pool mounted and its own empty cgroups for the next start; there is none here.
fn remove_idle(scratch: &Path) {
    let data = scratch.join("atoll");
    // Not mounted where the server could not have btrfs.
    std::process::Command::new("umount").arg(data.join("native/pool")).output().ok();
    let installation = std::fs::read_to_string(data.join("installation")).unwrap_or_default();
    let name = format!("atoll-{}", installation.trim());
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        std::fs::remove_dir(hierarchy.path().join(&name)).ok();
    }
    std::fs::remove_dir(Path::new("/sys/fs/cgroup").join(&name)).ok();
}

/// The goals, for whatever was measured.
fn judge(report: &mut Report) {
    report.at_most(Goal::Ratio(2.0), "cold create: Atoll to floor", ATOLL_CREATE, FLOOR_CREATE);
    report.at_least(50.0, "cold create: docker run to Atoll", DOCKER_CREATE, ATOLL_CREATE);
    let more = "exec: ms more than a local fork and exec";
    report.at_most(Goal::More(0.5), more, ATOLL_EXEC_ALONE, LOCAL_EXEC);
    report.at_most(Goal::More(0.5), "the same with 100 alive", ATOLL_EXEC, LOCAL_EXEC);
    report.tail_at_most(3.0, "exec: p99 in ms with 100 alive", ATOLL_EXEC);
    report.at_least(50.0, "exec: docker exec to Atoll", DOCKER_EXEC, ATOLL_EXEC_ALONE);
    report.at_most(
        Goal::Ratio(2.0),
        "100 at once: Atoll to floor",
        "atoll: 100 at once",
        "floor: 100 at parallelism 2",
    );
    report.at_least(25.0, "100 at once: Docker to Atoll", "docker: 100 at once", "atoll: 100 at once");
    report.value_at_most(2.0, "MiB of PSS per idle sandbox", "atoll: MiB of PSS per idle sandbox");
    report.value_at_most(
        4.0,
        "MiB of MemAvailable per idle sandbox",
        "atoll: MiB of MemAvailable per idle sandbox",
    );
    report.at_most(
        Goal::Ratio(1.5),
        "create: 500 alive to none alive",
        "atoll: create alone, 500 alive",
        "atoll: create alone, none alive",
    );
}
