//! The others: what people use today for the same job.

pub(crate) mod docker;
pub(crate) mod local;
pub(crate) mod oci;
mod rootfs;
pub(crate) mod ssh;

pub(crate) use rootfs::{Program, make as make_rootfs};

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// After removals, in which the kernel takes apart what is gone.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// Time from starting a command to the first byte of its output. Its end is awaited, and not timed.
fn until_first_byte(command: &mut Command) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut output = child.stdout.take().context("no output")?;
    let mut first = [0; 1];
    let read = output.read(&mut first)?;
    let elapsed = started.elapsed();
    if read == 0 {
        let end = child.wait_with_output()?;
        anyhow::bail!("{command:?} said nothing: {}", String::from_utf8_lossy(&end.stderr));
    }
    output.read_to_end(&mut Vec::new())?;
    child.wait()?;
    Ok(elapsed)
}

/// Time from starting a command to its end.
fn until_end(command: &mut Command) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(started.elapsed())
}

/// Does a thing many times. The first few warm caches and do not count.
pub(crate) fn repeat(
    count: usize,
    mut once: impl FnMut(usize) -> anyhow::Result<Duration>,
) -> anyhow::Result<Vec<Duration>> {
    const WARM_UP: usize = 3;
    let mut times = Vec::with_capacity(count);
    for number in 0..count + WARM_UP {
        let time = once(number)?;
        if number >= WARM_UP {
            times.push(time);
        }
    }
    Ok(times)
}

/// Whether a program is on the path.
pub(crate) fn is_there(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Runs a command to its end; what it wrote.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
