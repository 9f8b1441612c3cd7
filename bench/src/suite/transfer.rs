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
/// Memory that is at hand when a copy begins, in bytes: pages for the file, and what the programs take.
const RECYCLED_BYTES: usize = 3 << 29;
/// Disk of the sandbox, in MiB: the file twice, as a replaced one exists until the new one is whole.
const DISK_MIB: u64 = 4 << 10;

/// Times into and out of a sandbox.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub(super) written: Vec<Duration>,
    pub(super) read: Vec<Duration>,
}

/// By `atoll cp` and `docker cp`, whichever is here, in turn: what a disk does differs from minute to minute.
pub(super) fn measure(
    scratch: &Path,
    server: Option<&Server>,
    docker: Option<&Docker>,
) -> anyhow::Result<(Times, Times)> {
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    let sandbox = server.map(Sandbox::make).transpose()?;
    let container = docker.map(|docker| anyhow::Ok((docker, docker.start_container()?))).transpose()?;
    for _ in 0..TIMES {
        if let Some((docker, container)) = &container {
            let inside = format!("{container}:/large");
            carry(scratch, &inside, &|from, to| copy(docker.command(), &[], from, to), &mut theirs)?;
        }
        if let Some(Sandbox { server, id }) = &sandbox {
            let inside = format!("{id}:/root/large");
            let as_root = |from: &OsStr, to: &OsStr| copy(server.cli(), &["--user", "root"], from, to);
            carry(scratch, &inside, &as_root, &mut ours)?;
        }
    }
    sandbox.map_or(Ok(()), |sandbox| sandbox.remove())?;
    Ok((ours, theirs))
}

struct Sandbox<'a> {
    server: &'a Server,
    id: String,
}

impl<'a> Sandbox<'a> {
    fn make(server: &'a Server) -> anyhow::Result<Self> {
        Ok(Self { server, id: server.client()?.create_with_disk(DISK_MIB)? })
    }

    fn remove(self) -> anyhow::Result<()> {
        self.server.client()?.delete(&self.id)
    }
}

fn copy(mut program: Command, options: &[&str], from: &OsStr, to: &OsStr) -> anyhow::Result<Duration> {
    program.arg("cp").args(options).arg(from).arg(to);
    timed(&mut program)
}

type Copy<'a> = &'a dyn Fn(&OsStr, &OsStr) -> anyhow::Result<Duration>;

/// Once each way.
fn carry(scratch: &Path, inside: &str, copy: Copy<'_>, times: &mut Times) -> anyhow::Result<()> {
    let file = large_file(scratch)?;
    let back = scratch.join("large.back");
    times.written.push(copy(file.as_ref(), inside.as_ref())?);
    times.read.push(copy(inside.as_ref(), back.as_ref())?);
    ensure!(std::fs::metadata(&back)?.len() == BYTES, "the file came back with another size");
    // A program that finds it there would have to replace it.
    std::fs::remove_file(&back)?;
    Ok(())
}

fn timed(command: &mut Command) -> anyhow::Result<Duration> {
    // What was written before is not this command's to wait for.
    rustix::fs::sync();
    recycle_memory();
    let started = Instant::now();
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    let elapsed = started.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {said}");
    Ok(elapsed)
}

/// Takes memory and frees it again. A machine that gives free memory back to its host pays three to six times as much for a
/// page that it has to ask for again; who comes first after the last file has gone would not, and the next would.
fn recycle_memory() {
    drop(std::hint::black_box(vec![1_u8; RECYCLED_BYTES]));
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
