//! What the supervisor handed over.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use atoll_broker_protocol::{AGENTS, SOCKET};
use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::InnerError;

/// What the supervisor handed over.
#[derive(Debug)]
pub(super) struct Descriptors {
    /// The TCP listener of the API.
    pub(super) listener: TcpListener,
    /// `DIR/run`.
    pub(super) run: OwnedFd,
    /// `DIR/run/agents`.
    pub(super) agents: OwnedFd,
    /// `DIR/run/docker`, where there is a Docker broker.
    pub(super) docker_agents: Option<OwnedFd>,
    /// `DIR/serve`.
    pub(super) data: OwnedFd,
}

impl Descriptors {
    /// Takes copies, which are closed on exec, of those that the variables name.
    pub(super) fn take() -> Result<Self, InnerError> {
        let run = copy("ATOLL_RUN_FD")?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let agents = openat(&run, "agents", flags, Mode::empty());
        let agents = agents.map_err(|error| failed("ATOLL_RUN_FD")(error.into()))?;
        let docker_agents = docker_agents(&run).map_err(failed("ATOLL_RUN_FD"))?;
        let (listener, data) = (copy("ATOLL_LISTEN_FD")?.into(), copy("ATOLL_DATA_FD")?);
        Ok(Self { listener, run, agents, docker_agents, data })
    }
}

/// The folder of the broker's sockets; none where there is no broker, whatever is left of an earlier one.
fn docker_agents(run: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    match statat(run, SOCKET, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(Some(openat(run, AGENTS, flags, Mode::empty())?))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn failed(variable: &'static str) -> impl Fn(io::Error) -> InnerError {
    move |source| InnerError::Descriptor { variable, source }
}

fn copy(variable: &'static str) -> Result<OwnedFd, InnerError> {
    let number = std::env::var(variable).ok().and_then(|text| text.parse().ok());
    let number: i32 = number.ok_or_else(|| failed(variable)(io::ErrorKind::NotFound.into()))?;
    duplicate(number).map_err(failed(variable))
}

/// A copy of a descriptor of this process by its number. Asked of the kernel as if of another process, since a number
/// alone says nothing about who owns it here.
fn duplicate(number: i32) -> io::Result<OwnedFd> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(own, number, PidfdGetfdFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_copy_is_the_same_socket_and_no_number_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let copy: TcpListener = duplicate(listener.as_raw_fd()).unwrap().into();
        assert_eq!(copy.local_addr().unwrap(), listener.local_addr().unwrap());
        assert!(duplicate(9_999).is_err());
    }
}
