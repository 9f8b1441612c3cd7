//! Sandboxes and Docker's containers in turn: a machine's minutes differ by more than what is looked for.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};

use crate::Args;
use crate::atoll::Client;
use crate::peers::docker::{Docker, IMAGE, Network};
use crate::peers::{Program, REST, repeat};
use crate::report::{Goal, Report};
use crate::stats::Series;

pub(super) const DOCKER_CREATE: &str = "docker run to first byte";
const DOCKER_CREATE_NONE: &str = "docker run --network=none to first byte";
const DOCKER_EXEC: &str = "docker exec of true";
const CREATE: &str = "atoll: create through HTTP to first output, in turn with docker run";
const EXEC: &str = "atoll: exec of true through HTTP, in turn with docker exec";
const CREATE_CONTAINER: &str = "atoll on docker: create through HTTP to first output";
const EXEC_CONTAINER: &str = "atoll on docker: exec of true through HTTP";
const DOCKER_EXEC_GVISOR: &str = "docker exec of true, in gVisor";
const EXEC_GVISOR: &str = "atoll on gvisor: exec of true through HTTP";
const DOCKER_RUN: &str = "docker run --network=none to first byte, in turn with claims";
const CLAIM: &str = "atoll on docker: claim from a warm pool to first output";

/// How often everybody has a turn.
const SLICES: usize = 10;

/// Claims in a turn, and containers that are kept ready: twice as many, since one that is made runs beside the next claim.
const CLAIMS: usize = 10;
pub(super) const READY: usize = 20;
/// How often there are claims.
const CLAIM_SLICES: usize = 5;
/// Time in which as many are made as were claimed, a third of a second each: at the start all, and after each turn what was taken.
const FILL: Duration = Duration::from_secs(30);
const REFILL: Duration = Duration::from_secs(15);

type Times = Vec<Duration>;

const PROGRAMS: [Program; 2] = [Program::Musl, Program::Glibc];

/// Times of the one program, and of the other.
#[derive(Default)]
struct PerProgram {
    musl: Times,
    glibc: Times,
}

impl PerProgram {
    fn of(&mut self, program: Program) -> &mut Times {
        match program {
            Program::Musl => &mut self.musl,
            Program::Glibc => &mut self.glibc,
        }
    }

    fn report(self, name: &str, report: &mut Report) {
        report.series(Series::new(Program::Musl.row(name), self.musl));
        report.series(Series::new(Program::Glibc.row(name), self.glibc));
    }
}

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

/// Of the same image as those of `docker run`, whose programs need no loader.
fn native() -> Value {
    json!({"image": IMAGE, "runtime": "native"})
}

/// The same in a container.
fn contained() -> Value {
    json!({"image": IMAGE, "runtime": "docker"})
}

fn creates(
    slice: usize,
    docker: &Docker,
    mut client: Option<&mut Client>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut run, mut run_none) = (PerProgram::default(), Times::new());
    let (mut in_native, mut in_container) = (PerProgram::default(), Times::new());
    for _ in 0..SLICES {
        for program in PROGRAMS {
            run.of(program).extend(docker.create(Network::Default, program, slice)?);
        }
        run_none.extend(docker.create(Network::None, Program::Musl, slice)?);
        let Some(client) = &mut client else { continue };
        for program in PROGRAMS {
            let echo = program.argv(&ECHO);
            in_native.of(program).extend(first_outputs(client, &native(), &echo, slice)?);
        }
        in_container.extend(first_outputs(client, &contained(), &ECHO, slice)?);
    }
    run.report(DOCKER_CREATE, report);
    report.series(Series::new(DOCKER_CREATE_NONE, run_none));
    if client.is_some() {
        in_native.report(CREATE, report);
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
    let mut in_docker = PerProgram::default();
    let (mut in_native, mut in_container) = (PerProgram::default(), PerProgram::default());
    for _ in 0..SLICES {
        for program in PROGRAMS {
            in_docker.of(program).extend(docker.exec(None, program, slice)?);
        }
        let Some(client) = &mut client else { continue };
        for program in PROGRAMS {
            in_native.of(program).extend(commands(client, &native(), program, slice)?);
            in_container.of(program).extend(commands(client, &contained(), program, slice)?);
        }
    }
    in_docker.report(DOCKER_EXEC, report);
    if client.is_some() {
        in_native.report(EXEC, report);
        in_container.report(EXEC_CONTAINER, report);
    }
    Ok(())
}

/// The same in gVisor.
pub(super) fn execs_in_gvisor(
    args: &Args,
    docker: &Docker,
    client: &mut Client,
    report: &mut Report,
) -> anyhow::Result<()> {
    let body = json!({"image": IMAGE, "runtime": "gvisor"});
    let slice = args.count.div_ceil(SLICES);
    let (mut theirs, mut ours) = (Times::new(), Times::new());
    for _ in 0..SLICES {
        theirs.extend(docker.exec(Some("runsc"), Program::Musl, slice)?);
        ours.extend(commands(client, &body, Program::Musl, slice)?);
    }
    report.series(Series::new(DOCKER_EXEC_GVISOR, theirs));
    report.series(Series::new(EXEC_GVISOR, ours));
    Ok(())
}

/// Claims of containers that are ready, in turn with `docker run`.
pub(super) fn claims(docker: &Docker, client: &mut Client, report: &mut Report) -> anyhow::Result<()> {
    let template = json!({"name": "bench", "image": IMAGE, "runtime": "docker", "warmPool": READY});
    let environment = client.make_environment(&template)?;
    let body = json!({"environmentId": environment});
    let (mut run, mut claimed) = (Times::new(), Times::new());
    std::thread::sleep(FILL);
    for _ in 0..CLAIM_SLICES {
        run.extend(docker.create(Network::None, Program::Musl, CLAIMS)?);
        claimed.extend(first_outputs(client, &body, &ECHO, CLAIMS)?);
        std::thread::sleep(REFILL);
    }
    report.series(Series::new(DOCKER_RUN, run));
    report.series(Series::new(CLAIM, claimed));
    client.delete_environment(&environment)
}

/// A command with an output.
pub(super) const ECHO: [&str; 2] = ["/bin/echo", "ready"];

/// From the request for a sandbox to the first output of that command in it, one after the other. They are removed afterwards, and what
/// the kernel still does then is waited for: neither is timed.
pub(super) fn first_outputs(
    client: &mut Client,
    body: &Value,
    echo: &[&str],
    count: usize,
) -> anyhow::Result<Times> {
    let mut made = Vec::new();
    let times = repeat(count, |_| {
        let started = Instant::now();
        let sandbox = client.create_from(body)?;
        let output = client.exec(&sandbox, echo)?;
        let time = started.elapsed();
        ensure!(output == "ready\n", "echo said {output:?}");
        made.push(sandbox);
        Ok(time)
    })?;
    made.iter().try_for_each(|sandbox| client.delete(sandbox))?;
    std::thread::sleep(REST);
    Ok(times)
}

/// Commands in one sandbox, made for them.
pub(super) fn commands(
    client: &mut Client,
    body: &Value,
    program: Program,
    count: usize,
) -> anyhow::Result<Times> {
    let argv = program.argv(&["/bin/true"]);
    let sandbox = client.create_from(body)?;
    let times = repeat(count, |_| {
        let started = Instant::now();
        client.exec(&sandbox, &argv)?;
        Ok(started.elapsed())
    })?;
    client.delete(&sandbox)?;
    Ok(times)
}

/// The goals.
pub(super) fn judge(report: &mut Report) {
    for program in PROGRAMS {
        let mut compare = |goal, what, theirs, ours| {
            report.at_least(goal, &program.row(what), &program.row(theirs), &program.row(ours));
        };
        compare(50.0, "cold create: docker run to Atoll", DOCKER_CREATE, CREATE);
        compare(50.0, "exec: docker exec to Atoll", DOCKER_EXEC, EXEC);
        compare(40.0, "exec on docker: docker exec to Atoll", DOCKER_EXEC, EXEC_CONTAINER);
    }
    // Containers of Atoll's have no network either here.
    report.at_most(
        Goal::Ratio(1.1),
        "create on docker: Atoll to docker run",
        CREATE_CONTAINER,
        DOCKER_CREATE_NONE,
    );
    report.at_least(5.0, "exec on gvisor: docker exec to Atoll", DOCKER_EXEC_GVISOR, EXEC_GVISOR);
    report.at_least(50.0, "claim on docker: docker run to Atoll", DOCKER_RUN, CLAIM);
}
