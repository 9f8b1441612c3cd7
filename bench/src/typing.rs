//! Typing at a program's terminal: from the key to its echo on the screen.

use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::OpenptFlags;

/// Between two keys: quick typing, and enough for everything to fall asleep.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest that a key's echo may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the far side says when it is ready to echo; typed in pieces, so that the echo of the typing is not it.
const READY: &str = "rea\"\"dy";
/// What is typed.
const KEY: u8 = b'x';

/// A program with a terminal, whose shell runs `cat`: the far terminal echoes keys.
pub(crate) struct Typist {
    master: OwnedFd,
    program: Child,
}

impl Typist {
    /// Starts a program that shows a shell, and waits until that answers.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).context("a terminal")?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let slave = rustix::fs::open(&name, flags, rustix::fs::Mode::empty())?;
        let (input, output) = (slave.try_clone()?, slave.try_clone()?);
        let program = command.stdin(input).stdout(output).stderr(slave).spawn();
        let typist = Self { master, program: program.with_context(|| format!("starting {command:?}"))? };
        typist.write(format!("exec sh -c 'echo {READY}; exec cat'\r").as_bytes())?;
        typist.read_until(|seen| seen.ends_with(b"ready\r\n") || seen.ends_with(b"ready\n"))?;
        Ok(typist)
    }

    /// Times of so many keys.
    pub(crate) fn keys(&self, count: usize) -> anyhow::Result<Vec<Duration>> {
        let key = || {
            std::thread::sleep(PAUSE);
            let pressed = Instant::now();
            self.write(&[KEY])?;
            self.read_until(|seen| seen.contains(&KEY))?;
            Ok(pressed.elapsed())
        };
        (0..count).map(|_| key()).collect()
    }

    fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = rustix::io::write(&self.master, bytes)?;
        ensure!(written == bytes.len(), "the terminal takes no more");
        Ok(())
    }

    /// Reads until what was seen is enough.
    fn read_until(&self, enough: impl Fn(&[u8]) -> bool) -> anyhow::Result<()> {
        let mut seen = Vec::new();
        while !enough(&seen) {
            let mut readable = [PollFd::new(&self.master, PollFlags::IN)];
            let limit = Timespec { tv_sec: i64::try_from(PATIENCE.as_secs())?, tv_nsec: 0 };
            if poll(&mut readable, Some(&limit))? == 0 {
                bail!("nothing more within {PATIENCE:?}, after {:?}", String::from_utf8_lossy(&seen));
            }
            let mut buffer = [0; 4096];
            let read = rustix::io::read(&self.master, &mut buffer)
                .with_context(|| format!("it ended after {:?}", String::from_utf8_lossy(&seen)))?;
            seen.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
        Ok(())
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_a_shell() {
        let typist = Typist::start(&mut Command::new("sh")).unwrap();
        assert_eq!(typist.keys(3).unwrap().len(), 3);
    }

    #[test]
    fn a_program_without_a_shell_is_an_error() {
        assert!(Typist::start(&mut Command::new("true")).is_err());
    }
}
