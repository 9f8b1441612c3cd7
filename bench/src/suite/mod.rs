//! What is measured, in which order.

mod churn;
mod crowd;
mod ours;
mod records;
mod runtimes;
mod transfer;
mod turns;
mod typing;
mod warm;

use std::path::Path;

use crate::atoll::Server;
use crate::floor::Pool;
use crate::peers::docker::Docker;
use crate::peers::{self, local, oci};
use crate::report::{Goal, Report};
use crate::stats::Series;
use crate::{Args, floor_run};

/// Sandboxes at once, in the rows that say so.
const MANY: usize = 100;
/// Processes of the floor, and of whoever else works in parallel: the cores of the reference machine.
const PARALLEL: usize = 2;

const FLOOR_CREATE: &str = "floor: sandbox to first byte";
const FLOOR_NETWORK: &str = "floor: sandbox with a network to first byte";
const LOCAL_EXEC: &str = "local fork and exec of true";
const ATOLL_CREATE: &str = "atoll: create through HTTP to first output";
const ATOLL_NETWORK: &str = "atoll: create with network all through HTTP to first output";
const ATOLL_EXEC_ALONE: &str = "atoll: exec of true through HTTP, one alive";
const ATOLL_KEY: &str = "atoll shell: key to echo";
const SSH_KEY: &str = "ssh localhost: key to echo";
const ATOLL_WRITE: &str = "atoll cp: 1 GiB into a sandbox";
const ATOLL_READ: &str = "atoll cp: 1 GiB out of a sandbox";
const DOCKER_WRITE: &str = "docker cp: 1 GiB into a container";
const DOCKER_READ: &str = "docker cp: 1 GiB out of a container";
const WARM_CLAIM: &str = "atoll: claim from a warm pool through HTTP";
const WARM_P50: &str = "atoll: p50 of a claim from a warm pool, in ms";
const ATOLL_EXEC: &str = "atoll: exec of true through HTTP, 100 alive";

/// Measures everything that is asked for. What is absent is said; a part that fails is told in the report and does not stop the rest.
pub(crate) fn run(args: &Args, scratch: &Path, report: &mut Report) -> anyhow::Result<()> {
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|word| word == name);
    let rootfs = scratch.join("rootfs");
    peers::make_rootfs(&rootfs)?;
    // Beside the commands in a sandbox where there are any: a machine's minutes differ.
    if wanted("local") && !(wanted("atoll") && args.atoll.is_some()) {
        report.series(Series::new(LOCAL_EXEC, local::exec_true(args.count * 5)?));
    }
    if wanted("floor") {
        let outcome = floor(args, scratch, report);
        report.outcome("floor", outcome);
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
            let name_of_row = format!("{name}: sandbox to first byte");
            let outcome = times.map(|times| report.series(Series::new(name_of_row, times)));
            report.outcome(name, outcome);
        }
    }
    let own_parts = |parts: &[&str], report: &mut Report| {
        for part in parts.iter().filter(|part| wanted(part)) {
            if let Some(program) = &args.atoll {
                let outcome = own_part(part, args, program, scratch, report);
                report.outcome(part, outcome);
            }
        }
    };
    own_parts(&["atoll", "typing", "warm"], report);
    let is_there = peers::is_there("dockerd");
    // Copies alone have the same peer; who asks for both measures them once.
    let with_docker = ["docker", "cp"].into_iter().find(|part| wanted(part));
    if let Some(part) = with_docker.filter(|_| is_there) {
        let outcome = docker(args, part, scratch, &rootfs, report);
        report.outcome(part, outcome);
    } else {
        if with_docker.is_some() {
            report.note("Docker Engine is not installed".to_owned());
        }
        own_parts(&["cp"], report);
    }
    // They take long, and have no peer that must be near.
    own_parts(&["records", "churn"], report);
    judge(report);
    Ok(())
}

/// One part of what is measured of Atoll alone, each on a server of its own.
fn own_part(
    part: &str,
    args: &Args,
    program: &Path,
    scratch: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    match part {
        "atoll" => with_server(program, scratch, |server| ours::measure(args, server, report)),
        "typing" => with_server(program, scratch, |server| typing::measure(args, scratch, server, report)),
        "cp" => with_server(program, scratch, |server| copies(scratch, Some(server), None, report)),
        "warm" => warm::measure(args, program, scratch, report),
        "records" => records::measure(program, scratch, report),
        // What it holds in the end is compared with what it held in the beginning.
        _ => with_server(program, scratch, |server| churn::measure(server, args.churn, report)),
    }
}

fn with_server<T>(
    program: &Path,
    scratch: &Path,
    measure: impl FnOnce(&Server) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let server = Server::start(program, scratch)?;
    let measured = measure(&server);
    let stopped = server.stop();
    remove_idle(scratch);
    let measured = measured?;
    stopped.map(|()| measured)
}

fn floor(args: &Args, scratch: &Path, report: &mut Report) -> anyhow::Result<()> {
    let pool = Pool::prepare(scratch)?;
    let measured = floor_run::one_by_one(pool.root(), args.count)
        .and_then(|times| Ok((times, floor_run::one_by_one_with_network(pool.root(), args.count)?)))
        .and_then(|times| Ok((times, floor_run::at_once(pool.root(), MANY, PARALLEL)?)));
    pool.tear_down()?;
    let ((times, networked), together) = measured?;
    report.series(Series::new(FLOOR_CREATE, times));
    report.series(Series::new(FLOOR_NETWORK, networked));
    report.single("floor: 100 at parallelism 2", together.as_secs_f64() * 1e3);
    Ok(())
}

/// All that has Docker as its peer, or its part `cp` alone.
fn docker(args: &Args, part: &str, scratch: &Path, rootfs: &Path, report: &mut Report) -> anyhow::Result<()> {
    let docker = Docker::start(scratch, rootfs)?;
    let measured = match part {
        "cp" => copies_and_docker(args, scratch, &docker, report),
        _ => docker_and_ours(args, scratch, &docker, report),
    };
    docker.stop()?;
    measured
}

fn docker_and_ours(args: &Args, scratch: &Path, docker: &Docker, report: &mut Report) -> anyhow::Result<()> {
    report.single("docker: 100 at once", docker.create_at_once(MANY)?.as_secs_f64() * 1e3);
    copies_and_docker(args, scratch, docker, report)?;
    match &args.atoll {
        None => turns::measure(args, docker, None, report),
        Some(program) => runtimes::measure(args, program, scratch, docker, report),
    }
}

fn copies_and_docker(
    args: &Args,
    scratch: &Path,
    docker: &Docker,
    report: &mut Report,
) -> anyhow::Result<()> {
    match &args.atoll {
        None => copies(scratch, None, Some(docker), report),
        Some(program) => {
            with_server(program, scratch, |server| copies(scratch, Some(server), Some(docker), report))
        }
    }
}

fn copies(
    scratch: &Path,
    server: Option<&Server>,
    docker: Option<&Docker>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (ours, theirs) = transfer::measure(scratch, server, docker)?;
    if server.is_some() {
        report.series(Series::new(ATOLL_WRITE, ours.written));
        report.series(Series::new(ATOLL_READ, ours.read));
    }
    if docker.is_some() {
        report.series(Series::new(DOCKER_WRITE, theirs.written));
        report.series(Series::new(DOCKER_READ, theirs.read));
    }
    Ok(())
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
    let more = "exec: ms more than a local fork and exec";
    report.at_most(Goal::More(0.5), more, ATOLL_EXEC_ALONE, LOCAL_EXEC);
    report.at_most(Goal::More(0.5), "the same with 100 alive", ATOLL_EXEC, LOCAL_EXEC);
    report.tail_at_most(3.0, "exec: p99 in ms with 100 alive", ATOLL_EXEC);
    report.at_most(
        Goal::Ratio(2.0),
        "100 at once: Atoll to floor",
        "atoll: 100 at once",
        "floor: 100 at parallelism 2",
    );
    report.at_least(25.0, "100 at once: Docker to Atoll", "docker: 100 at once", "atoll: 100 at once");
    // As fast is a ratio of times of one: 0.9 of the speed, and one and a half of it.
    report.at_least(0.9, "1 GiB written: speed to that of docker cp", DOCKER_WRITE, ATOLL_WRITE);
    report.at_least(1.5, "1 GiB read: speed to that of docker cp", DOCKER_READ, ATOLL_READ);
    report.tails_at_most(1.0, "key to echo, p99: Atoll to ssh localhost", ATOLL_KEY, SSH_KEY);
    report.at_most(Goal::Ratio(2.5), "create with network all: Atoll to floor", ATOLL_NETWORK, FLOOR_NETWORK);
    report.value_at_most(2.0, "claim from a warm pool, p50 in ms", WARM_P50);
    report.at_least(100.0, "claim from a warm pool: docker run to Atoll", turns::DOCKER_CREATE, WARM_CLAIM);
    records::judge(report);
    turns::judge(report);
    runtimes::judge(report);
    ours::judge(report);
}
