//! What `atoll serve` left open for us.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use anyhow::Context as _;
use rustix::fs::{FileType, fstat};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use crate::sys;

const LISTENER: RawFd = 3;
const SERVE: RawFd = 4;
const LAUNCHER: RawFd = 5;
const AGENT: RawFd = 6;
const UNPACK: RawFd = 7;
const EGRESS: RawFd = 8;
const BROKER: RawFd = 9;

/// Descriptors that were inherited, now close-on-exec.
#[derive(Debug)]
pub(crate) struct Inherited {
    /// The TCP listener of the API.
    pub(crate) listener: OwnedFd,
    /// The `atoll` binary.
    pub(crate) serve: OwnedFd,
    /// The launcher's.
    pub(crate) launcher: OwnedFd,
    /// The agent's.
    pub(crate) agent: OwnedFd,
    /// The unpacker's.
    pub(crate) unpack: OwnedFd,
    /// The egress program's.
    pub(crate) egress: OwnedFd,
    /// The Docker broker's.
    pub(crate) broker: OwnedFd,
}

/// Takes them over, and closes everything else, so that no part inherits what nobody meant it to have.
pub(crate) fn take() -> anyhow::Result<Inherited> {
    sys::close_from(BROKER + 1).context("cannot close what else was inherited")?;
    let listener = adopt(LISTENER, "the TCP listener")?;
    let listens = rustix::net::sockopt::socket_acceptconn(&listener);
    anyhow::ensure!(matches!(listens, Ok(true)), "descriptor {LISTENER} is no listening socket");
    Ok(Inherited {
        listener,
        serve: adopt_program(SERVE, "atoll")?,
        launcher: adopt_program(LAUNCHER, "atoll-launcher")?,
        agent: adopt_program(AGENT, "atoll-agent")?,
        unpack: adopt_program(UNPACK, "atoll-unpack")?,
        egress: adopt_program(EGRESS, "atoll-egress")?,
        broker: adopt_program(BROKER, "atoll-broker")?,
    })
}

fn adopt(number: RawFd, what: &str) -> anyhow::Result<OwnedFd> {
    // SAFETY: `take` runs once, at the start, before anything else of this program has opened or taken a descriptor; and the
    // next line finds out whether this one is open.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    match fcntl_getfd(&fd) {
        Ok(flags) => {
            fcntl_setfd(&fd, flags | FdFlags::CLOEXEC).context("cannot set close-on-exec")?;
            Ok(fd)
        }
        Err(error) => {
            // Not ours to close: it is not open.
            std::mem::forget(fd);
            Err(error).with_context(|| format!("descriptor {number} ({what}) was not inherited"))
        }
    }
}

fn adopt_program(number: RawFd, what: &str) -> anyhow::Result<OwnedFd> {
    let fd = adopt(number, what)?;
    let stat = fstat(&fd)?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    anyhow::ensure!(regular, "descriptor {number} ({what}) is no regular file");
    Ok(fd)
}
