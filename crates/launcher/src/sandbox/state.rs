//! What is recorded of a sandbox: enough for the next launcher to know its process for sure.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use atoll_types::ImageSource;
use rustix::fs::{Mode, OFlags, openat, renameat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::report::{At, Step, StepError};

/// Longest state file, in bytes.
const STATE_BYTES_MAX: u64 = 4 << 10;

/// State of a sandbox, as it was started last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// What its root is made of.
    pub(crate) image: ImageSource,
    /// Its range of host ids.
    pub(crate) uid_slot: u32,
    /// Its first process.
    pub(crate) process: ProcessIdentity,
    /// Name of the host image's root in the pool, where it runs on one. Launchers before this field did not say.
    #[serde(default)]
    pub(crate) root: Option<String>,
    /// Whether the host's `/usr` in it is an overlay of its own. Earlier launchers mounted the folder itself.
    #[serde(default)]
    pub(crate) usr_overlay: bool,
    /// Its address in the router's network, where it has one.
    #[serde(default)]
    pub(crate) address: Option<Ipv4Addr>,
}

/// A process, told apart from every other that will ever have its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// Number on the host.
    pub(crate) pid: i32,
    /// When it started, in clock ticks since boot.
    pub(crate) start_time: u64,
    /// Which boot.
    pub(crate) boot_id: String,
}

/// The id of this boot.
pub(crate) fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// When a process started.
pub(crate) fn start_time(pid: Pid) -> std::io::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
    parse_start_time(&stat).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidData))
}

/// Fields of a process's `stat` behind its name, see proc_pid_stat(5).
const FLAGS: usize = 6;
const START_TIME: usize = 19;
/// The kernel's flag of a process that is ending.
const EXITING: u64 = 4;

fn parse_start_time(stat: &str) -> Option<u64> {
    field(stat, START_TIME)
}

fn field(stat: &str, number: usize) -> Option<u64> {
    // The name in brackets is the process's own choice and may hold spaces and brackets; the rest holds none.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number)?.parse().ok()
}

impl ProcessIdentity {
    /// Whether it has begun to end, and waits for its own processes to be gone before it is.
    pub(crate) fn is_ending(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let is_this = field(&stat, START_TIME) == Some(self.start_time);
        is_this && field(&stat, FLAGS).is_some_and(|flags| flags & EXITING != 0)
    }

    /// Opens the process if it is still this one.
    pub(crate) fn open(&self, boot_id: &str) -> Option<(Pid, OwnedFd)> {
        if self.boot_id != boot_id {
            return None;
        }
        let pid = Pid::from_raw(self.pid)?;
        // First the descriptor, then the look: a number that is reused in between has another start time.
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        (start_time(pid).ok()? == self.start_time).then_some((pid, pidfd))
    }
}

/// Writes the state into the sandbox's folder, whole or not at all. It counts for this boot only, so it need not reach
/// the disk at once.
pub(crate) fn write(folder: &OwnedFd, state: &State) -> Result<(), StepError> {
    let text = serde_json::to_vec(state).map_err(std::io::Error::from).at(Step::WriteState)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, "state.json.new", flags, Mode::from_raw_mode(0o600)).at(Step::WriteState)?;
    File::from(file).write_all(&text).at(Step::WriteState)?;
    renameat(folder, "state.json.new", folder, "state.json").at(Step::WriteState)
}

/// Reads the state of a sandbox; `None` where none was ever written.
pub(crate) fn read(folder: &OwnedFd) -> Option<State> {
    let file =
        openat(folder, "state.json", OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .ok()?;
    let mut text = Vec::new();
    File::from(file).take(STATE_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat =
            "7 (a) 1 2) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1000 1 18446744073709551615 0";
        assert_eq!(parse_start_time(stat), Some(123_456));
        assert_eq!(field(stat, FLAGS), Some(4_194_560));
    }

    #[test]
    fn a_process_is_only_itself() {
        let pid = rustix::process::getpid();
        let boot_id = boot_id().unwrap();
        let start_time = start_time(pid).unwrap();
        let own = ProcessIdentity { pid: pid.as_raw_nonzero().get(), start_time, boot_id: boot_id.clone() };
        assert!(own.open(&boot_id).is_some());
        assert!(own.open("another-boot").is_none());
        assert!(ProcessIdentity { start_time: start_time + 1, ..own }.open(&boot_id).is_none());
    }
}
