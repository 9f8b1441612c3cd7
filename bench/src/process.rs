//! Ending what we started.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Asks a child to end and waits for it; kills it when it does not.
pub(crate) fn terminate(child: &mut Child, patience: Duration) -> anyhow::Result<()> {
    let pid =
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a child without a process id")?;
    kill_process(pid, Signal::TERM).context("ending a child")?;
    let deadline = Instant::now() + patience;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("process {pid:?} did not end when asked to");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
