//! Sandboxes and Docker's containers in turn: a machine's minutes differ by more than what is looked for.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use crate::Args;
use crate::atoll::Client;
use crate::peers::docker::{Docker, IMAGE, Network};
use crate::peers::repeat;
use crate::report::{Goal, Report};
use crate::stats::Series;

pub(super) const DOCKER_CREATE: &str = "docker run to first byte";
pub(super) const DOCKER_CREATE_NONE: &str = "docker run --network=none to first byte";
const DOCKER_EXEC: &str = "docker exec of true";
const CREATE: &str = "atoll: create through HTTP to first output, in turn with docker run";
const EXEC: &str = "atoll: exec of true through HTTP, in turn with docker exec";
const CREATE_CONTAINER: &str = "atoll on docker: create through HTTP to first output";
const EXEC_CONTAINER: &str = "atoll on docker: exec of true through HTTP";

/// How often everybody has a turn.
const SLICES: usize = 10;
/// After Docker's, in which it and the kernel take apart what is gone.
const REST: Duration = Duration::from_secs(1);

type Times = Vec<Duration>;

/// Creates, then commands; Docker's alone where there is no server.
pub(super) fn measure(
    args: &Args,
    docker: &Docker,
    mut client: Option<&mut Client>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let slice = args.count.div_ceil(SLICES);
    creates(slice, docker, client.as_deref_mut(), report)?;
    execs(slice, docker, client, report)
}

fn native() -> Value {
    json!({"image": "host"})
}

/// In a container of the same image as those of `docker run`.
fn contained() -> Value {
    json!({"image": IMAGE, "runtime": "docker"})
}

fn creates(
    slice: usize,
    docker: &Docker,
    mut client: Option<&mut Client>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut run, mut run_none) = (Times::new(), Times::new());
    let (mut in_native, mut in_container) = (Times::new(), Times::new());
    for _ in 0..SLICES {
        run.extend(docker.create(Network::Default, slice)?);
        run_none.extend(docker.create(Network::None, slice)?);
        let Some(client) = &mut client else { continue };
        std::thread::sleep(REST);
        in_native.extend(repeat(slice, |_| first_output(client, &native()))?);
        in_container.extend(repeat(slice, |_| first_output(client, &contained()))?);
    }
    report.series(Series::new(DOCKER_CREATE, run));
    report.series(Series::new(DOCKER_CREATE_NONE, run_none));
    if client.is_some() {
        report.series(Series::new(CREATE, in_native));
        report.series(Series::new(CREATE_CONTAINER, in_container));
    }
    Ok(())
}

fn execs(
    slice: usize,
    docker: &Docker,
    mut client: Option<&mut Client>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut in_docker, mut in_native, mut in_container) = (Times::new(), Times::new(), Times::new());
    for _ in 0..SLICES {
        in_docker.extend(docker.exec(slice)?);
        let Some(client) = &mut client else { continue };
        std::thread::sleep(REST);
        in_native.extend(commands(client, &native(), slice)?);
        in_container.extend(commands(client, &contained(), slice)?);
    }
    report.series(Series::new(DOCKER_EXEC, in_docker));
    if client.is_some() {
        report.series(Series::new(EXEC, in_native));
        report.series(Series::new(EXEC_CONTAINER, in_container));
    }
    Ok(())
}

/// From the request for a sandbox to the first output of a command in it; its removal is not timed.
pub(super) fn first_output(client: &mut Client, body: &Value) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let sandbox = client.create_from(body)?;
    let output = client.exec(&sandbox, &["/bin/echo", "ready"])?;
    let time = started.elapsed();
    ensure!(output == "ready\n", "echo said {output:?}");
    client.delete(&sandbox)?;
    Ok(time)
}

/// Commands in one sandbox, made for them.
pub(super) fn commands(client: &mut Client, body: &Value, count: usize) -> anyhow::Result<Times> {
    let sandbox = client.create_from(body)?;
    let times = repeat(count, |_| {
        let started = Instant::now();
        client.exec(&sandbox, &["/bin/true"])?;
        Ok(started.elapsed())
    })?;
    client.delete(&sandbox)?;
    Ok(times)
}

/// The goals.
pub(super) fn judge(report: &mut Report) {
    report.at_least(50.0, "cold create: docker run to Atoll", DOCKER_CREATE, CREATE);
    report.at_least(50.0, "exec: docker exec to Atoll", DOCKER_EXEC, EXEC);
    // Its containers have no network either.
    report.at_most(
        Goal::Ratio(1.1),
        "create on docker: Atoll to docker run",
        CREATE_CONTAINER,
        DOCKER_CREATE_NONE,
    );
    report.at_least(40.0, "exec on docker: docker exec to Atoll", DOCKER_EXEC, EXEC_CONTAINER);
}
