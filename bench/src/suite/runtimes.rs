//! Sandboxes in Docker Engine and in gVisor, beside the containers that the same daemon makes for those who ask it themselves.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{remove_idle, turns};
use crate::Args;
use crate::atoll::Server;
use crate::peers::docker::{Docker, IMAGE};
use crate::peers::run;
use crate::report::{Goal, Report};
use crate::stats::Series;

const IMPORT: &str = "atoll image import of 500 MB";
const LOAD: &str = "docker load of the same";

/// Files of the large image, and the size of each: small ones, as images have.
const FILES: u32 = 8_000;
const FILE_BYTES: usize = 62_500;
/// How often the large image is read: what is shown is the median.
const TIMES: usize = 3;

/// Measures with the daemon that Docker was measured with.
pub(super) fn measure(
    args: &Args,
    program: &Path,
    scratch: &Path,
    docker: &Docker,
    report: &mut Report,
) -> anyhow::Result<()> {
    let socket = docker.socket().display().to_string();
    let most = turns::READY.to_string();
    let server = Server::start_with(program, scratch, &["--docker-host", &socket, "--warm-pool-max", &most])?;
    let measured = on_docker(args, &server, docker, report);
    let stopped = server.stop();
    remove_idle(scratch);
    measured.and(stopped)?;
    images(program, scratch, docker, report)
}

fn on_docker(args: &Args, server: &Server, docker: &Docker, report: &mut Report) -> anyhow::Result<()> {
    run(server.cli().args(["image", "import", IMAGE]).arg(docker.root()))?;
    let mut client = server.client()?;
    turns::measure(args, docker, Some(&mut client), report)?;
    turns::claims(docker, &mut client, report)?;
    if !docker.has_gvisor() {
        report.note("gVisor is not installed".to_owned());
        return Ok(());
    }
    turns::execs_in_gvisor(args, docker, &mut client, report)
}

/// A saved image of half a gigabyte, read by Docker and, in the cage, by Atoll.
fn images(program: &Path, scratch: &Path, docker: &Docker, report: &mut Report) -> anyhow::Result<()> {
    let saved = large_image(scratch, docker)?;
    let mut loads = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        loads.push(timed(docker.command().arg("load").arg("--input").arg(&saved))?);
        run(docker.command().args(["rmi", LARGE]))?;
    }
    report.series(Series::new(LOAD, loads));
    let server = Server::start_with(program, scratch, &["--docker-host", "off"])?;
    let imports = imports(&server, &saved);
    let stopped = server.stop();
    remove_idle(scratch);
    report.series(Series::new(IMPORT, imports?));
    stopped
}

/// Name of the large image.
const LARGE: &str = "atoll-bench-large";

fn imports(server: &Server, saved: &Path) -> anyhow::Result<Vec<Duration>> {
    let mut imports = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        imports.push(timed(server.cli().args(["image", "import", LARGE]).arg(saved))?);
        run(server.cli().args(["image", "rm", LARGE]))?;
    }
    Ok(imports)
}

fn timed(command: &mut Command) -> anyhow::Result<Duration> {
    let started = Instant::now();
    run(command)?;
    Ok(started.elapsed())
}

fn large_image(scratch: &Path, docker: &Docker) -> anyhow::Result<PathBuf> {
    let (folder, archive, saved) =
        (scratch.join("image"), scratch.join("image.tar"), scratch.join("image.saved"));
    std::fs::create_dir(&folder)?;
    // As compressible as programs are, by half; of each file another half.
    let mut state = 1_u64;
    for number in 0..FILES {
        let mut bytes = vec![0_u8; FILE_BYTES];
        for chunk in bytes.chunks_mut(16) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let random = state.to_le_bytes();
            let half = chunk.len().min(random.len());
            chunk
                .get_mut(..half)
                .context("a chunk has a beginning")?
                .copy_from_slice(random.get(..half).unwrap_or(&[]));
        }
        std::fs::write(folder.join(format!("file-{number}")), bytes)?;
    }
    run(Command::new("tar").arg("-C").arg(&folder).arg("-cf").arg(&archive).arg("."))?;
    std::fs::remove_dir_all(&folder)?;
    run(docker.command().arg("import").arg(&archive).arg(LARGE))?;
    run(docker.command().arg("save").arg("--output").arg(&saved).arg(LARGE))?;
    run(docker.command().args(["rmi", LARGE]))?;
    std::fs::remove_file(&archive)?;
    std::fs::set_permissions(&saved, std::fs::Permissions::from_mode(0o644))?;
    Ok(saved)
}

/// The goals, for whatever was measured.
pub(super) fn judge(report: &mut Report) {
    report.at_most(Goal::Ratio(1.0), "import of 500 MB: Atoll to docker load", IMPORT, LOAD);
}
