//! One large file into a sandbox and out again, by the command that people type for it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::atoll::Server;
use crate::peers::docker::Docker;

/// Size of the file.
const BYTES: u64 = 1 << 30;
/// How often it is carried each way: what is shown is the median.
const TIMES: usize = 5;
/// Disk of the sandbox, in MiB: the file twice, as a replaced one exists until the new one is whole.
const DISK_MIB: u64 = 4 << 10;

/// Times into and out of a sandbox.
pub(super) struct Times {
    pub(super) written: Vec<Duration>,
    pub(super) read: Vec<Duration>,
}

/// By `atoll cp`.
pub(super) fn atoll(scratch: &Path, server: &Server) -> anyhow::Result<Times> {
    let mut client = server.client()?;
    let sandbox = client.create_with_disk(DISK_MIB)?;
    let inside = format!("{sandbox}:/root/large");
    let times = carry(
        scratch,
        &mut |file| copy(server.cli(), &["--user", "root"], file.as_ref(), inside.as_ref()),
        &mut |file| copy(server.cli(), &["--user", "root"], inside.as_ref(), file.as_ref()),
    );
    client.delete(&sandbox)?;
    times
}

/// By `docker cp`.
pub(super) fn docker(scratch: &Path, docker: &Docker) -> anyhow::Result<Times> {
    let container = docker.start_container()?;
    let inside = format!("{container}:/large");
    carry(scratch, &mut |file| copy(docker.command(), &[], file.as_ref(), inside.as_ref()), &mut |file| {
        copy(docker.command(), &[], inside.as_ref(), file.as_ref())
    })
}

fn copy(mut program: Command, options: &[&str], from: &OsStr, to: &OsStr) -> anyhow::Result<Duration> {
    program.arg("cp").args(options).arg(from).arg(to);
    timed(&mut program)
}

type Copy<'a> = &'a mut dyn FnMut(&Path) -> anyhow::Result<Duration>;

fn carry(scratch: &Path, write: Copy<'_>, read: Copy<'_>) -> anyhow::Result<Times> {
    let file = large_file(scratch)?;
    let back = scratch.join("large.back");
    let mut times = Times { written: Vec::new(), read: Vec::new() };
    for _ in 0..TIMES {
        times.written.push(write(&file)?);
        // A program that finds it there would have to replace it.
        std::fs::remove_file(&back).ok();
        times.read.push(read(&back)?);
    }
    ensure!(std::fs::metadata(&back)?.len() == BYTES, "the file came back with another size");
    std::fs::remove_file(&back)?;
    Ok(times)
}

fn timed(command: &mut Command) -> anyhow::Result<Duration> {
    // What was written before is not this command's to wait for.
    rustix::fs::sync();
    let started = Instant::now();
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    let elapsed = started.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {said}");
    Ok(elapsed)
}

/// Bytes that nothing can make smaller, in memory after this.
fn large_file(scratch: &Path) -> anyhow::Result<PathBuf> {
    let path = scratch.join("large");
    if !path.exists() {
        let mut random = File::open("/dev/urandom")?;
        let mut block = vec![0; 1 << 20];
        let mut file = File::create(&path)?;
        for _ in 0..BYTES >> 20 {
            random.read_exact(&mut block)?;
            file.write_all(&block)?;
        }
    }
    Ok(path)
}
